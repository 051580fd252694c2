import { TransientError } from "./transient-error.js";

/** Fewer in the time that a stall lasts are as good as none: the rest of a file would take days. */
const LEAST_BYTES = 1024;

/** Ends a request that the caller aborts, or on which nothing to speak of has come for too long. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #parent: AbortSignal;
  readonly #onAbort: () => void;
  #held = false;
  #bytes = 0;

  constructor(parent: AbortSignal, stallMs: number, host: string) {
    this.#parent = parent;
    this.#onAbort = () => this.#controller.abort(parent.reason);
    if (parent.aborted) this.#onAbort();
    else parent.addEventListener("abort", this.#onAbort, { once: true });
    this.#timer = setTimeout(() => {
      if (this.#held) this.#timer.refresh();
      else this.#controller.abort(new TransientError(`${host}: nothing to speak of came for ${stallMs / 1000} s`));
    }, stallMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came and is being dealt with: however long that takes, it is not the server's fault. */
  hold(): void {
    this.#held = true;
  }

  /** The server is waited for again: from now, when enough has come. */
  touch(bytes: number): void {
    this.#held = false;
    this.#bytes += bytes;
    if (this.#bytes < LEAST_BYTES) return;
    this.#bytes = 0;
    this.#timer.refresh();
  }

  /** Nothing more is expected. Lets go of the caller's signal. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener("abort", this.#onAbort);
  }
}
