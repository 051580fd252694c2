/** Long enough to be calm, short enough to follow a network. */
const WINDOW_MS = 8_000;
const MIN_SPAN_MS = 500;

/** Bytes a second over the last seconds. */
export class RateMeter {
  readonly #now: () => number;
  #samples: [time: number, bytes: number][] = [];

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Bytes that were there before: they don't count as speed. */
  start(bytes: number): void {
    this.#samples = [[this.#now(), bytes]];
  }

  /** Bytes that are there now. */
  add(bytes: number): void {
    const now = this.#now();
    this.#samples.push([now, bytes]);
    const old = this.#samples.findIndex(([time]) => time >= now - WINDOW_MS);
    // One sample from before the window stays, so that it is spanned in full.
    if (old > 1) this.#samples.splice(0, old - 1);
  }

  /** 0 while too little is known. */
  get bytesPerSecond(): number {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last[0] - first[0] < MIN_SPAN_MS) return 0;
    return Math.max(0, ((last[1] - first[1]) / (last[0] - first[0])) * 1000);
  }
}
