/** What both sides' jobs are given, and how they time it: the same for each, so that the same is compared. */

/**
 * @typedef {object} Job
 * @property {"first" | "decode" | "prompt" | "batch" | "context" | "growth"} kind
 * @property {string} model A model directory for punie, a GGUF file for the peer.
 * @property {number} threads
 * @property {number} vocabSize
 * @property {number} seed Another for each run: no prompt is read twice.
 * @property {number} promptTokens
 * @property {number} generateTokens After the first, which belongs to the prompt.
 * @property {number} [batch]
 * @property {string} [text] The prompt of `first`, for a side that has a vocabulary.
 * @property {boolean} [flashAttention] The peer's.
 * @property {string} [llama] The directory whose node_modules has the peer.
 */

/** @returns {Job} */
export function job() {
  return JSON.parse(process.argv[2] ?? "{}");
}

/** Prints the one line that a job answers with. What it took of memory is the system's own count. */
export function answer(result) {
  const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(`${JSON.stringify({ ...result, peakMemoryBytes })}\n`);
}

/** An "empty" context: what is read before the tokens whose rate is measured. */
export const EMPTY_CONTEXT_TOKENS = 8;
/** Enough to touch every weight and start every thread. */
export const WARM_UP_TOKENS = 4;

/** Ids all over the vocabulary but its special tokens, other ones for each seed. */
export function promptIds(count, vocabSize, seed) {
  // A linear congruential generator (Numerical Recipes); its upper bits are the random ones, and seeds lie far apart.
  let state = Math.imul(seed + 1, 0x9e3779b9) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabSize * 0.98);
  });
}

export function perSecond(count, milliseconds) {
  return (count / milliseconds) * 1000;
}
