/** Gives each event of a native model to the request that it belongs to. */
import { fromNative } from "../native/binding.js";
import type { NativeEvent, NativeModel, NativeRequest } from "../native/binding-types.js";

export type EventListener = (event: NativeEvent) => void;

/** One model's running requests. Events reach a request until its `finish` or `error`, which is the last. */
export class RequestRouter {
  readonly #listeners = new Map<number, EventListener>();
  #nextId = 1;

  /** For the native model's `onEvents`. A request that can't be heard any more is passed over. */
  readonly deliver = (events: readonly NativeEvent[]): void => {
    for (const event of events) {
      const listener = this.#listeners.get(event.request);
      if (event.type === "finish" || event.type === "error") this.#listeners.delete(event.request);
      listener?.(event);
    }
  };

  /**
   * Starts a request. @returns What cancels it, at any time, also after its end.
   * @throws PunieError with the native model's code
   */
  start(native: NativeModel, request: Omit<NativeRequest, "id">, listener: EventListener): () => void {
    const id = this.#nextId++;
    this.#listeners.set(id, listener);
    try {
      native.start({ ...request, id });
    } catch (error) {
      this.#listeners.delete(id);
      throw fromNative(error);
    }
    let cancelled = false;
    return () => {
      if (cancelled || !this.#listeners.has(id)) return;
      cancelled = true;
      native.cancel(id);
    };
  }
}
