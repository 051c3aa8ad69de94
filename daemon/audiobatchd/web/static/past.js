// What the history holds of the last day, as samples that lines over time begin with.

const [HOUR, BACK] = [3600, 24]; // seconds, and hours

/** The moment that the history is asked from, in seconds. */
export function since(now) {
  return Math.max(0, Math.floor(now / HOUR) - BACK) * HOUR;
}

/** Makes a sample of each hour, in its middle: folders in an hour of work, and the time that those would have taken at
 * that rate which were done since or are still `toDo`. The first hour begins with a service that `started` in it. */
export function past(spans, toDo, started, now) {
  const hours = new Map(spans.filter((each) => each.seconds === HOUR).map((each) => [each.start, each]));
  const first = Math.min(...hours.keys());
  const samples = [];
  let ahead = toDo;
  for (let start = Math.floor(now / HOUR) * HOUR; start >= first; start -= HOUR) {
    const from = start === first && started < start + HOUR ? Math.max(start, Math.min(started, now)) : start;
    const { done = 0, busy_seconds: busy = 0 } = hours.get(start) ?? {};
    const rate = busy >= 1 ? (done * HOUR) / busy : 0;
    samples.unshift({ at: 500 * (from + Math.min(start + HOUR, now)), rate, left: rate ? (HOUR * (ahead + done / 2)) / rate : null });
    ahead += done;
  }
  return samples;
}
