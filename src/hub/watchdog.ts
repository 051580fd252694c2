import { TransientError } from "./transient-error.js";

/** Ends a request that the caller aborts, or on which nothing has come for too long. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #parent: AbortSignal;
  readonly #onAbort: () => void;
  #held = false;

  constructor(parent: AbortSignal, stallMs: number, host: string) {
    this.#parent = parent;
    this.#onAbort = () => this.#controller.abort(parent.reason);
    if (parent.aborted) this.#onAbort();
    else parent.addEventListener("abort", this.#onAbort, { once: true });
    this.#timer = setTimeout(() => {
      if (this.#held) this.#timer.refresh();
      else this.#controller.abort(new TransientError(`${host}: nothing came for ${stallMs / 1000} s`));
    }, stallMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Something came and is being dealt with: however long that takes, it is not the server's fault. */
  hold(): void {
    this.#held = true;
  }

  /** The server is waited for again, from now. */
  touch(): void {
    this.#held = false;
    this.#timer.refresh();
  }

  /** Nothing more is expected. Lets go of the caller's signal. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#parent.removeEventListener("abort", this.#onAbort);
  }
}
