import { HttpError } from "./http-error.js";

const LONGEST_RETRY_SECONDS = 60;

/** Lets a limited number of requests at the model at once, in the order they came, and a limited number wait. */
export class RequestQueue {
  readonly #concurrency: number;
  readonly #limit: number;
  readonly #waiting = new Set<() => void>();
  #running = 0;
  #lastMs = 0;

  /** @param limit How many may wait beside the `concurrency` ones that run. */
  constructor(concurrency: number, limit: number) {
    this.#concurrency = concurrency;
    this.#limit = limit;
  }

  /** Requests that run or wait. */
  get length(): number {
    return this.#waiting.size + this.#running;
  }

  /**
   * Waits for the caller's turn.
   * @returns What ends the turn; to be called once, whatever came of it.
   * @throws HttpError 429 at once when the queue is full; the signal's reason when it aborts first.
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#running < this.#concurrency) this.#running++;
    else if (this.#waiting.size < this.#limit) await this.#turn(signal);
    else throw this.#full();
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
      this.#running--;
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
