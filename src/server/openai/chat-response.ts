/** From the model's parts to OpenAI's `chat.completion` and `chat.completion.chunk`. */
import { randomUUID } from "node:crypto";
import { stringifyExact } from "../../chat/exact-json.js";
import type { ServedPart, ServedToken, ServedUsage } from "../served-model.js";

type FinishPart = Extract<ServedPart, { type: "finish" }>;
type CallPart = Extract<ServedPart, { type: "tool-call" }>;

/** What all chunks of one answer share. */
export interface Envelope {
  id: string;
  created: number;
  model: string;
}

export function newEnvelope(model: string): Envelope {
  return { id: `chatcmpl-${randomUUID()}`, created: Math.floor(Date.now() / 1000), model };
}

const FINISH_REASONS = { stop: "stop", length: "length", "tool-calls": "tool_calls" } as const;

export function toUsage({ promptTokens, cachedTokens, completionTokens }: ServedUsage) {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

function toCall({ id, name, arguments: values }: CallPart) {
  return { id, type: "function" as const, function: { name, arguments: stringifyExact(values) } };
}

const encoder = new TextEncoder();

/** Bytes of a token by its id. Undefined: those of its text. */
type TokenBytes = (id: number) => Uint8Array | undefined;

function toLogprobs(tokens: readonly ServedToken[], bytesOf: TokenBytes) {
  const toToken = (id: number, text: string | null, logprob: number) => {
    const bytes = text === null ? undefined : (bytesOf(id) ?? encoder.encode(text));
    return { token: text ?? "", logprob, bytes: bytes === undefined ? null : [...bytes] };
  };
  return tokens.flatMap(({ id, text, logprob, top = [] }) =>
    logprob === undefined
      ? []
      : [
          {
            ...toToken(id, text, logprob),
            top_logprobs: top.map((other) => toToken(other.id, other.text, other.logprob)),
          },
        ],
  );
}

/** Whether an answer comes with log-probabilities, and of what bytes. */
type Logprobs = TokenBytes | false;

/** A call that can't be made has no place in OpenAI's shape: its text stays text, so that nothing is lost. */
function textOf(part: ServedPart): string | undefined {
  if (part.type === "text-delta") return part.text;
  return part.type === "invalid-tool-call" ? part.raw : undefined;
}

function tokensOf(part: ServedPart): readonly ServedToken[] {
  return "tokens" in part ? (part.tokens ?? []) : [];
}

/** Turns an answer's parts into chunks, one for one. */
export class ChunkWriter {
  readonly #envelope: Envelope;
  readonly #logprobs: Logprobs;
  readonly #includeUsage: boolean;
  #calls = 0;

  constructor(envelope: Envelope, { logprobs, includeUsage }: { logprobs: Logprobs; includeUsage: boolean }) {
    this.#envelope = envelope;
    this.#logprobs = logprobs;
    this.#includeUsage = includeUsage;
  }

  first() {
    return this.#chunk({ role: "assistant", content: "" });
  }

  part(part: Exclude<ServedPart, FinishPart>) {
    return this.#chunk(this.#delta(part), null, tokensOf(part));
  }

  /** The last chunks: why the answer ended and, where it was asked for, what it took. */
  finish(part: FinishPart) {
    const last = this.#chunk({}, FINISH_REASONS[part.finishReason], tokensOf(part));
    return this.#includeUsage ? [last, { ...this.#head(), choices: [], usage: toUsage(part.usage) }] : [last];
  }

  #delta(part: Exclude<ServedPart, FinishPart>) {
    if (part.type === "reasoning-delta") return { reasoning_content: part.text };
    if (part.type === "tool-call") return { tool_calls: [{ index: this.#calls++, ...toCall(part) }] };
    return { content: textOf(part) };
  }

  #head() {
    return { ...this.#envelope, object: "chat.completion.chunk" };
  }

  #chunk(delta: object, finishReason: string | null = null, tokens: readonly ServedToken[] = []) {
    const bytesOf = this.#logprobs;
    const logprobs = bytesOf && tokens.length > 0 ? { content: toLogprobs(tokens, bytesOf), refusal: null } : null;
    const choice = { index: 0, delta, logprobs, finish_reason: finishReason };
    // With include_usage every chunk has the field, as OpenAI documents it.
    return { ...this.#head(), choices: [choice], ...(this.#includeUsage ? { usage: null } : {}) };
  }
}

/** The whole answer as one `chat.completion`. */
export async function toCompletion(envelope: Envelope, parts: AsyncIterable<ServedPart>, logprobs: Logprobs) {
  let content = "";
  let reasoning = "";
  const calls: CallPart[] = [];
  const tokens: ServedToken[] = [];
  let finish: FinishPart | undefined;
  for await (const part of parts) {
    content += textOf(part) ?? "";
    if (part.type === "reasoning-delta") reasoning += part.text;
    if (part.type === "tool-call") calls.push(part);
    if (part.type === "finish") finish = part;
    tokens.push(...tokensOf(part));
  }
  if (finish === undefined) throw new Error("The model's stream ended without a finish part.");
  const message = {
    role: "assistant",
    content: content === "" && calls.length > 0 ? null : content,
    refusal: null,
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(toCall) }),
  };
  const choice = {
    index: 0,
    message,
    logprobs: logprobs ? { content: toLogprobs(tokens, logprobs), refusal: null } : null,
    finish_reason: FINISH_REASONS[finish.finishReason],
  };
  return { ...envelope, object: "chat.completion", choices: [choice], usage: toUsage(finish.usage) };
}
