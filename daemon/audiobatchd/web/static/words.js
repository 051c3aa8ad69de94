// Numbers, times and values as people read them.

/** A whole number, with its thousands apart. */
export function count(number) {
  return Math.round(number).toLocaleString("en");
}

/** A number with its noun. */
export function many(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}

/** A number of a feature, with as many digits as tell something. */
export function number(value) {
  if (!Number.isFinite(value)) return "";
  return Math.abs(value) >= 10000 ? count(value) : String(Number(value.toPrecision(5)));
}

/** A length of time: the two largest units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => whole >= size);
  if (first < 0) return "0 s";
  const [size, name] = units[first];
  const large = `${Math.floor(whole / size)} ${name}`;
  const [below, nameBelow] = units[first + 1] ?? [0, ""];
  const rest = below ? Math.floor((whole % size) / below) : 0;
  return rest ? `${large} ${rest} ${nameBelow}` : large;
}

/** A length of time in one unit, for the ticks of a scale. */
export function about(seconds) {
  const [size, name] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].find(([each]) => seconds >= 2 * each) ?? [1, "s"];
  return `${Number((seconds / size).toPrecision(2))} ${name}`;
}

/** A moment, in the reader's own time: of today the hour alone. */
export function moment(text) {
  const at = new Date(text);
  if (!text || Number.isNaN(at.valueOf())) return text || "";
  const hour = at.toLocaleTimeString("en-GB");
  return at.toDateString() === new Date().toDateString() ? hour : `${at.toLocaleDateString("en-CA")} ${hour}`;
}

/** A number of bytes. */
export function size(bytes) {
  for (const [unit, name] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) if (bytes >= unit) return `${(bytes / unit).toFixed(1)} ${name}`;
  return `${bytes} B`;
}

/** A value of a record: number, text, flag, or numbers by label, the largest first. */
export function value(given) {
  if (given === null || given === undefined) return "";
  if (typeof given === "number") return number(given);
  if (typeof given === "boolean") return given ? "yes" : "no";
  if (typeof given === "object") {
    const pairs = Object.entries(given).sort((one, other) => Number(other[1]) - Number(one[1]));
    const more = pairs.length > 12 ? `, and ${pairs.length - 12} more` : "";
    return pairs.slice(0, 12).map(([name, each]) => `${name} ${value(each)}`).join(", ") + more;
  }
  return String(given);
}

/** A column as SQL has it. */
export function column(name) {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A text as SQL has it. */
export function quoted(text) {
  return `'${text.replaceAll("'", "''")}'`;
}
