/** A queue between what makes values when it likes and one reader that takes them when it can. Nothing is dropped. */
export class Channel<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #end: { error: unknown } | "done" | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    if (this.#end !== undefined) return;
    this.#items.push(item);
    this.#wake?.();
  }

  /** The reader ends after what is queued. */
  end(): void {
    this.#end ??= "done";
    this.#wake?.();
  }

  /** The reader gets the error next: what is queued is worth nothing any more. */
  fail(error: unknown): void {
    if (this.#end !== undefined) return;
    this.#items = [];
    this.#end = { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      const batch = this.#items;
      this.#items = [];
      for (const item of batch) {
        this.#throwFailure();
        yield item;
      }
      this.#throwFailure();
      if (this.#items.length > 0) continue;
      if (this.#end === "done") return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  #throwFailure(): void {
    if (typeof this.#end === "object") throw this.#end.error;
  }
}
