import type { HttpBody } from "./http.js";

/** How the queue holds a connection back, and ends it. */
export interface Flow {
  pause(): void;
  resume(): void;
  abort(): void;
}

/** What may wait in memory of each connection while a file is written. */
const MAX_QUEUED_BYTES = 512 * 1024;

/**
 * The body of one answer between the connection and its reader. A lost connection is told of after the pieces that came
 * before it: nothing that has come is fetched again.
 */
export class BodyQueue implements HttpBody {
  readonly #flow: Flow;
  readonly #pieces: Uint8Array[] = [];
  #queuedBytes = 0;
  #isHeld = false;
  #isCancelled = false;
  #end: { error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  push(piece: Uint8Array): void {
    if (this.#isCancelled) return;
    this.#pieces.push(piece);
    this.#queuedBytes += piece.length;
    if (this.#queuedBytes >= MAX_QUEUED_BYTES && !this.#isHeld) {
      this.#isHeld = true;
      this.#flow.pause();
    }
    this.#wake?.();
  }

  /** Nothing more comes. @param error Why, when the body isn't whole. */
  end(error?: unknown): void {
    this.#end ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const piece = this.#pieces.shift();
      if (piece !== undefined) {
        this.#taken(piece.length);
        yield piece;
      } else if (this.#end?.error !== undefined) throw this.#end.error;
      else if (this.#end !== undefined) return;
      else await this.#more();
    }
  }

  async cancel(): Promise<void> {
    this.#isCancelled = true;
    this.#pieces.length = 0;
    if (this.#end === undefined) this.#flow.abort();
  }

  #taken(bytes: number): void {
    this.#queuedBytes -= bytes;
    if (!this.#isHeld || this.#queuedBytes > MAX_QUEUED_BYTES / 2) return;
    this.#isHeld = false;
    this.#flow.resume();
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
