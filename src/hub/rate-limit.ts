import { pause } from "./retry.js";

/** Keeps all connections of a download together below a number of bytes a second. */
export class RateLimit {
  readonly #bytesPerSecond: number;
  /** When what was taken so far will have been paid for, in milliseconds of `performance.now`. */
  #paidUntil = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Accounts for bytes that have come, and waits as long as they are ahead of the rate. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#paidUntil = Math.max(now, this.#paidUntil) + (bytes / this.#bytesPerSecond) * 1000;
    await pause(this.#paidUntil - now, signal);
  }
}
