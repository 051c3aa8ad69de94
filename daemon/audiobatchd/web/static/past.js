// What the history holds of the last day, as samples that lines over time begin with.

const [HOUR, BACK] = [3600, 24]; // seconds, and hours

/** The moment that the history is asked from, in seconds. */
export function since(now) {
  return Math.max(0, Math.floor(now / HOUR) - BACK) * HOUR;
}

/** Makes a sample of each hour, in its middle: folders in an hour of work, and the time that those would have taken at
 * that rate which were done since or are still `toDo`. */
export function past(spans, toDo, now) {
  const hours = new Map(spans.filter((each) => each.seconds === HOUR).map((each) => [each.start, each]));
  const samples = [];
  let ahead = toDo;
  for (let start = Math.floor(now / HOUR) * HOUR; start >= Math.min(...hours.keys()); start -= HOUR) {
    const { done = 0, busy_seconds: busy = 0 } = hours.get(start) ?? {};
    const rate = busy >= 1 ? (done * HOUR) / busy : 0;
    samples.unshift({ at: 1000 * (start + Math.min(HOUR, now - start) / 2), rate, left: rate ? (HOUR * (ahead + done / 2)) / rate : null });
    ahead += done;
  }
  return samples;
}
