/** One running request: native events in, parts of the answer out. */
import { EngineCrashedError, PunieError } from "../errors.js";
import { fromNative } from "../native/binding.js";
import type { NativeEvent, NativeModel } from "../native/binding-types.js";
import type { StreamDecoder } from "../tokenizer/stream-decoder.js";
import type { AnswerReader } from "./answer-reader.js";
import { Channel } from "./channel.js";
import type { Finish, StreamPart, Token, TopToken } from "./parts.js";
import type { CheckedRequest } from "./request.js";
import type { RequestRouter } from "./request-router.js";

type TokenEvent = Extract<NativeEvent, { type: "token" }>;
type FinishEvent = Extract<NativeEvent, { type: "finish" }>;
type ErrorEvent = Extract<NativeEvent, { type: "error" }>;

/** What turns ids into an answer; without a tokenizer there is none, and the answer is its ids. */
export interface AnswerText {
  decoder: StreamDecoder;
  reader: AnswerReader;
  tokenText: (id: number) => string;
}

export interface GenerationInput {
  request: CheckedRequest;
  promptIds: Uint32Array;
  maxTokens: number;
  stopIds: number[];
  text: AnswerText | undefined;
  /** The id of a loaded adapter. */
  adapter: number | undefined;
  /** The model's directory, for messages. */
  modelPath: string;
  /** For the timings. */
  loadMs: number;
}

/**
 * Works as events come, whether or not anybody reads `parts` meanwhile: a stop string ends the native work at once, and
 * a slow reader finds everything waiting.
 */
export class Generation {
  readonly parts = new Channel<StreamPart>();
  readonly tokens: Token[] = [];
  readonly promptIds: Uint32Array;
  /** Settles, never rejecting, when the native model has let go of the request. */
  readonly ended: Promise<void>;
  readonly #input: GenerationInput;
  readonly #cancelNative: () => void;
  readonly #end: () => void;
  /** Tokens read since the last piece of text; kept only with `logprobs`. */
  #unsent: Token[] = [];
  /** Nothing that comes from here on belongs to the answer. */
  #closed = false;
  #toolCalls = 0;

  constructor(native: NativeModel, router: RequestRouter, input: GenerationInput) {
    this.#input = input;
    this.promptIds = input.promptIds;
    const { promise, resolve } = withResolvers();
    this.ended = promise;
    this.#end = resolve;
    const { request, promptIds, maxTokens, stopIds, adapter } = input;
    const { sampling, logprobs } = request;
    const asked = { prompt: promptIds, maxTokens, stopIds, sampling, logprobs, ...(adapter && { adapter }) };
    this.#cancelNative = router.start(native, asked, (event) => this.#receive(event));
  }

  /** Stops the native work; whoever reads gets the reason. Without effect on a request that has ended. */
  cancel(reason: unknown): void {
    this.#closed = true;
    this.#cancelNative();
    this.parts.fail(reason);
  }

  /** Called by the native model's callback: an error here belongs to this request, not to the process. */
  #receive(event: NativeEvent): void {
    try {
      this.#handle(event);
    } catch (error) {
      this.cancel(error);
    }
    if (event.type === "finish" || event.type === "error") this.#end();
  }

  #handle(event: NativeEvent): void {
    switch (event.type) {
      case "prefill":
        if (!this.#closed) {
          this.#input.request.onPromptProgress?.({ processed: event.processed, total: event.total });
        }
        return;
      case "token":
        if (!this.#closed) this.#read(event);
        return;
      case "finish":
        this.#finish(event);
        return;
      case "error":
        this.parts.fail(this.#failure(event));
    }
  }

  #failure(event: ErrorEvent): PunieError {
    const error = fromNative(event, this.#input.modelPath);
    if (error.code !== "ENGINE_CRASHED") return error;
    const ids = this.tokens.map(({ id }) => id);
    const text = this.#input.text ? this.tokens.map((token) => token.text).join("") : null;
    return new EngineCrashedError(error.message, [...this.promptIds], ids, text);
  }

  #read(event: TokenEvent): void {
    const { text } = this.#input;
    const piece = text ? text.decoder.push([event.id]) : null;
    const token: Token = { id: event.id, text: piece };
    if (event.logprob !== undefined) {
      token.logprob = event.logprob;
      this.#unsent.push(token);
    }
    if (event.top?.length) token.top = event.top.map((top) => this.#topToken(top));
    this.tokens.push(token);
    if (text && piece) {
      this.#send(text.reader.push(piece));
      if (text.reader.stopped) {
        this.#closed = true;
        this.#cancelNative();
      }
    }
  }

  #topToken([id, logprob]: [id: number, logprob: number]): TopToken {
    return { id, text: this.#input.text?.tokenText(id) ?? null, logprob };
  }

  #finish(event: FinishEvent): void {
    const { text } = this.#input;
    const stopped = text?.reader.stopped === true;
    if (event.reason === "cancelled" && !stopped) {
      this.parts.fail(new PunieError("ABORTED", "The request was cancelled."));
      return;
    }
    if (text) this.#finishText(text, event.reason === "length");
    // A stop string may have been completed by the very last token, or by what was held back.
    const cut = event.reason === "length" && text?.reader.stopped !== true;
    const finish: Finish = {
      finishReason: cut ? "length" : this.#toolCalls > 0 ? "tool-calls" : "stop",
      usage: {
        promptTokens: event.promptTokens,
        cachedTokens: event.cachedTokens,
        completionTokens: this.tokens.length,
      },
      timings: this.#timings(event),
    };
    this.parts.push({ type: "finish", ...finish, ...this.#takeTokens() });
    this.parts.end();
  }

  /** What was held back: half a character, the start of a stop string or of a call. */
  #finishText({ decoder, reader }: AnswerText, atLimit: boolean): void {
    if (!reader.stopped) {
      const rest = decoder.end();
      const last = this.tokens.at(-1);
      if (last) last.text += rest;
      this.#send(reader.push(rest));
    }
    this.#send(reader.end({ truncated: atLimit && !reader.stopped }));
  }

  #send(parts: readonly StreamPart[]): void {
    for (const part of parts) {
      if (part.type === "tool-call") this.#toolCalls++;
      const isText = part.type === "text-delta" || part.type === "reasoning-delta";
      this.parts.push(isText ? { ...part, ...this.#takeTokens() } : part);
    }
  }

  #takeTokens(): { tokens?: Token[] } {
    if (this.#unsent.length === 0) return {};
    const tokens = this.#unsent;
    this.#unsent = [];
    return { tokens };
  }

  #timings({ promptTokens, cachedTokens, promptMs, firstTokenMs, generationMs }: FinishEvent): Finish["timings"] {
    return {
      loadMs: this.#input.loadMs,
      promptMs,
      firstTokenMs,
      generationMs,
      promptTokensPerSecond: perSecond(promptTokens - cachedTokens, promptMs),
      generationTokensPerSecond: perSecond(this.tokens.length - 1, generationMs),
    };
  }
}

function perSecond(count: number, milliseconds: number): number {
  return count > 0 && milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
