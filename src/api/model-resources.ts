/** What a model holds that no garbage collector would free. */
import type { ChatTemplate } from "../chat/template.js";
import type { NativeModel } from "../native/binding-types.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";

export interface HeldResources {
  /** Of the model, for the warning. */
  name: string;
  native: NativeModel;
  tokenizer: Tokenizer | undefined;
  template: ChatTemplate;
  /** Called once all has been freed. */
  onFreed: () => void;
}

export class ModelResources {
  readonly #held: HeldResources;
  #freeing: Promise<void> | undefined;

  constructor(held: HeldResources) {
    this.#held = held;
  }

  get name(): string {
    return this.#held.name;
  }

  /** Idempotent: every call waits for the same end. */
  free(): Promise<void> {
    this.#freeing ??= this.#freeOnce();
    return this.#freeing;
  }

  async #freeOnce(): Promise<void> {
    collected.unregister(this);
    const { native, tokenizer, template, onFreed } = this.#held;
    try {
      await Promise.all([native.dispose(), tokenizer?.close(), template.close()]);
    } finally {
      onFreed();
    }
  }
}

/** A model that nobody can dispose of any more: it may come late, when the garbage collector happens to run, or never. */
const collected = new FinalizationRegistry<ModelResources>((resources) => {
  process.emitWarning(
    `The model '${resources.name}' was forgotten without dispose(), and is freed only now that it has been garbage ` +
      "collected. Call its dispose(), or declare it with 'await using'.",
    { type: "PunieWarning", code: "PUNIE_MODEL_NOT_DISPOSED" },
  );
  void resources.free();
});

/** Frees the resources, with a warning, when `owner` is collected before they were. */
export function freeWithOwner(owner: object, resources: ModelResources): void {
  collected.register(owner, resources, resources);
}
