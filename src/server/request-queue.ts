import { HttpError } from "./http-error.js";

const LONGEST_RETRY_SECONDS = 60;

/** Lets one request at a time at the model, in the order they came, and a limited number wait. */
export class RequestQueue {
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #running = false;
  #lastMs = 0;

  /** @param limit How many may wait beside the one that runs. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Requests that run or wait. */
  get length(): number {
    return this.#waiting.size + (this.#running ? 1 : 0);
  }

  /**
   * Waits for the caller's turn.
   * @returns What ends the turn; to be called once, whatever came of it.
   * @throws HttpError 429 at once when the queue is full; the signal's reason when it aborts first.
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#running) {
      if (this.#waiting.size >= this.#limit) throw this.#full();
      await this.#turn(signal);
    }
    this.#running = true;
    const startedAt = performance.now();
    return () => {
      this.#lastMs = performance.now() - startedAt;
      this.#next();
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(begin);
        reject(signal.reason);
      };
      const begin = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      this.#waiting.add(begin);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** Hands the turn on without a gap that a newcomer could slip into. */
  #next(): void {
    const [begin] = this.#waiting;
    if (begin === undefined) {
      this.#running = false;
      return;
    }
    this.#waiting.delete(begin);
    begin();
  }

  #full(): HttpError {
    const seconds = Math.min(LONGEST_RETRY_SECONDS, Math.max(1, Math.ceil(this.#lastMs / 1000)));
    const message = `The server is busy: ${this.length} requests run or wait, and no more may. Try again in ${seconds} s.`;
    return new HttpError(429, message, { code: "queue_full", headers: { "retry-after": String(seconds) } });
  }
}
