/** A request of an isolated engine: how far it has come, so that another engine can go on with it. */
import type { NativeEvent, NativeRequest } from "../native/binding-types.js";

type FinishEvent = Extract<NativeEvent, { type: "finish" }>;
type PromptLogprobsEvent = Extract<NativeEvent, { type: "prompt-logprobs" }>;

/** Engines that end under a request before it gets a token: with the next one it is given up, for it may be the cause. */
const MOST_CRASHES_WITHOUT_A_TOKEN = 3;

export class RequestLog {
  readonly #request: NativeRequest;
  readonly #tokens: number[] = [];
  readonly #startedAt = performance.now();
  #firstTokenAt: number | undefined;
  #resumed = false;
  /** Index in the prompt of the first token whose log-probability has not been told. */
  #promptTold = 0;
  #crashes = 0;
  /** Its owner wants nothing more of it. */
  cancelled = false;

  constructor(request: NativeRequest) {
    this.#request = request;
  }

  get id(): number {
    return this.#request.id;
  }

  /** The engine's event as the owner is to see it: as if there had been one engine. */
  read(event: NativeEvent): NativeEvent | undefined {
    switch (event.type) {
      case "token":
        this.#tokens.push(event.id);
        this.#firstTokenAt ??= performance.now();
        this.#crashes = 0;
        return event;
      case "prefill":
        // The prompt was read before; what is read again is not progress.
        return this.#tokens.length > 0 ? undefined : event;
      case "prompt-logprobs":
        return this.#untold(event);
      case "finish":
        return this.#resumed ? this.#whole(event) : event;
      default:
        return event;
    }
  }

  /** Another engine begins the prompt again, and its chunks may end elsewhere: what was told is not told twice. */
  #untold(event: PromptLogprobsEvent): PromptLogprobsEvent | undefined {
    const told = Math.max(0, this.#promptTold - event.first);
    if (told >= event.logprobs.length) return undefined;
    this.#promptTold = event.first + event.logprobs.length;
    if (told === 0) return event;
    const rest = { ...event, first: event.first + told, logprobs: event.logprobs.slice(told) };
    return event.top ? { ...rest, top: event.top.slice(told) } : rest;
  }

  /** After its engine has ended. False: it has ended too many under it. */
  mayGoOn(): boolean {
    return ++this.#crashes <= MOST_CRASHES_WITHOUT_A_TOKEN;
  }

  /**
   * What another engine has to do for the rest. Noise is a function of seed and position, and a row's result of nothing
   * but the tokens before it: so the tokens are those that the first engine would have made. A `finish` when nothing is
   * left to do.
   */
  resume(contextLength: number): NativeRequest | FinishEvent {
    const { prompt, maxTokens } = this.#request;
    if (this.#tokens.length === 0) return this.#request;
    this.#resumed = true;
    const length = prompt.length + this.#tokens.length;
    const left = maxTokens - this.#tokens.length;
    if (left <= 0 || length >= contextLength) return this.finish("length");
    const soFar = new Uint32Array(length);
    soFar.set(prompt);
    soFar.set(this.#tokens, prompt.length);
    const { promptLogprobs: _told, ...rest } = this.#request;
    return { ...rest, prompt: soFar, maxTokens: left };
  }

  /** An end that no engine told. */
  finish(reason: FinishEvent["reason"]): FinishEvent {
    return this.#whole({
      type: "finish",
      request: this.id,
      reason,
      promptTokens: this.#request.prompt.length,
      cachedTokens: 0,
      completionTokens: this.#tokens.length,
      promptMs: 0,
      firstTokenMs: 0,
      generationMs: 0,
    });
  }

  /** Counts and times of all engines' work together, the time between them with it. */
  #whole(event: FinishEvent): FinishEvent {
    const first = this.#firstTokenAt;
    return {
      ...event,
      promptTokens: this.#request.prompt.length,
      cachedTokens: Math.min(event.cachedTokens, this.#request.prompt.length - 1),
      completionTokens: this.#tokens.length,
      firstTokenMs: first === undefined ? event.firstTokenMs : first - this.#startedAt,
      generationMs: first === undefined ? event.generationMs : performance.now() - first,
    };
  }
}
