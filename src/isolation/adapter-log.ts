/** The adapters of an isolated engine, so that another engine can be given them. */
import { PunieError } from "../errors.js";
import type { NativeAdapterSpec } from "../native/binding-types.js";
import type { FromEngine } from "./messages.js";

type Answer = Extract<FromEngine, { type: "adapter-loaded" | "adapter-failed" }>;

interface Waiting {
  done: () => void;
  failed: (error: PunieError) => void;
}

export class AdapterLog {
  readonly #specs = new Map<number, NativeAdapterSpec>();
  readonly #waiting = new Map<number, Waiting>();

  /** Those that the engine has, or is to have. */
  get specs(): Iterable<NativeAdapterSpec> {
    return this.#specs.values();
  }

  /** True while the engine's answer to one is awaited. */
  get waiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Settles with the engine's answer. */
  add(spec: NativeAdapterSpec): Promise<void> {
    this.#specs.set(spec.id, spec);
    return new Promise((resolve, reject) => {
      this.#waiting.set(spec.id, { done: resolve, failed: reject });
    });
  }

  remove(id: number): void {
    this.#specs.delete(id);
  }

  read(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.type === "adapter-loaded") {
      waiting?.done();
      return;
    }
    this.#specs.delete(answer.id);
    waiting?.failed(new PunieError(answer.code, answer.message));
  }

  /** No answer will come to those that wait for one. */
  fail(error: PunieError): void {
    for (const [id, waiting] of this.#waiting) {
      this.#specs.delete(id);
      waiting.failed(error);
    }
    this.#waiting.clear();
  }
}
