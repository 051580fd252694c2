/** The turns of a chat, what was said so far, and how the next answer is made. */
import type { Model } from "../../api/model.js";
import type { Finish, StreamPart } from "../../api/parts.js";
import type { RequestOptions } from "../../api/request.js";
import { type ChatMessageInput, normalizeMessages } from "../../chat/messages.js";

export class Conversation {
  /** What the last answer took. */
  lastFinish: Finish | undefined;
  readonly #model: Model;
  readonly #options: RequestOptions;
  #system: string | undefined;
  #turns: ChatMessageInput[] = [];

  constructor(model: Model, options: RequestOptions, system: string | undefined) {
    this.#model = model;
    this.#options = options;
    this.#system = system;
  }

  get system(): string | undefined {
    return this.#system;
  }

  /** An empty text takes the system message away. */
  set system(text: string | undefined) {
    this.#system = text || undefined;
  }

  /** All messages, the system's first: what `--messages` reads. */
  get messages(): ChatMessageInput[] {
    const system = this.#system === undefined ? [] : [{ role: "system", content: this.#system }];
    return [...system, ...this.#turns];
  }

  /** Takes over a saved conversation. @throws PunieError `INVALID_OPTION` for what is none */
  replace(saved: unknown): void {
    const messages = normalizeMessages(saved);
    const [first] = messages;
    this.#system = first?.role === "system" ? first.content : undefined;
    this.#turns = first?.role === "system" ? messages.slice(1) : messages;
  }

  clear(): void {
    this.#turns = [];
  }

  /**
   * Asks, and yields the answer's parts. An answer that was stopped is kept as far as it came; a question without any
   * answer is forgotten, so that it can be asked again.
   */
  async *ask(question: string, signal: AbortSignal): AsyncGenerator<StreamPart, void> {
    const turn = { role: "user", content: question };
    let answered = "";
    try {
      const messages = [...this.messages, turn];
      for await (const part of this.#model.stream({ ...this.#options, messages, signal })) {
        if (part.type === "text-delta") answered += part.text;
        if (part.type === "finish") this.lastFinish = part;
        yield part;
      }
    } finally {
      if (answered !== "") this.#turns.push(turn, { role: "assistant", content: answered });
    }
  }
}
