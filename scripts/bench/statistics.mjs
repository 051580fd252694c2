/** Many runs in one figure. */

/** @param {number[]} values At least one. */
export function spread(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1), runs: values.length };
}

/** Tokens over which the rate at a position is taken: a chunk or two. */
const WINDOW_TOKENS = 1024;

/**
 * Milliseconds per token at the given positions of a prompt: over the 1,024 tokens before each.
 * @param {[processed: number, ms: number][]} progress
 * @param {number[]} positions
 */
export function msPerTokenAt(progress, positions) {
  const events = [[0, 0], ...progress];
  const reached = positions.filter((position) => position <= events.at(-1)[0]);
  return reached.map((position) => {
    const [tokens, ms] = events.find(([processed]) => processed >= position);
    const [before, beforeMs] = events.findLast(([processed]) => processed <= tokens - WINDOW_TOKENS) ?? events[0];
    return { position, msPerToken: (ms - beforeMs) / (tokens - before) };
  });
}

/**
 * How a token's time grows along a prompt. Attention looks at each token before, so its cost grows by the same for each
 * position: `growth` compares the later positions' slope with the earlier ones', and above 1 something else grows too.
 * `earlier` and `later` are milliseconds per token and position.
 * @param {{ position: number, msPerToken: number }[]} points At least three.
 */
export function growth(points) {
  const first = points[0];
  const last = points.at(-1);
  const middle = points.findLast(({ position }) => position <= last.position / 2) ?? first;
  const slope = (from, to) => (to.msPerToken - from.msPerToken) / (to.position - from.position);
  const earlier = slope(first, middle);
  const later = slope(middle, last);
  return { earlier, later, growth: later / earlier };
}
