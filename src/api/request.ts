/** A request, checked once: what to read, how to sample, when to stop. */
import {
  type ChatMessage,
  type ChatMessageInput,
  normalizeMessages,
  normalizeTools,
  type ToolDefinition,
} from "../chat/messages.js";
import { PunieError } from "../errors.js";
import type { NativeSampling } from "../native/binding-types.js";
import { checkBoolean, checkFunction, checkInteger, checkNames, checkSignal, invalidOption } from "./options.js";
import { checkSampling, SAMPLING_OPTIONS, type SamplingOptions } from "./sampling.js";

export type { ChatMessageInput, ToolDefinition } from "../chat/messages.js";

/** How far the reading of a prompt is, in tokens. */
export interface PromptProgress {
  processed: number;
  total: number;
}

export interface RequestOptions extends SamplingOptions {
  /** Most tokens of the answer. Default 2048; the context's end may come first. */
  maxTokens?: number | undefined;
  /** Texts that end the answer; they and what follows are not part of it. */
  stop?: string | readonly string[] | undefined;
  /** Gives each token's log-probability, and the N likeliest ones in its place. Default: neither. */
  logprobs?: number | undefined;
  /** Goes on past the model's end tokens, to `maxTokens`. Default false. */
  ignoreEos?: boolean | undefined;
  /** Stops the request within one token, or one chunk of the prompt; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told as the prompt is read, chunk by chunk. */
  onPromptProgress?: ((progress: PromptProgress) => void) | undefined;
}

/** Raw text or token ids, as they stand: no chat template, no reasoning or tool calls looked for. */
export interface PromptRequest extends RequestOptions {
  prompt: string | readonly number[] | Uint32Array;
  messages?: undefined;
  tools?: undefined;
}

/** A conversation, through the model's chat template. */
export interface MessagesRequest extends RequestOptions {
  messages: readonly ChatMessageInput[];
  /** Functions that the model may call. */
  tools?: readonly ToolDefinition[] | undefined;
  prompt?: undefined;
}

export type GenerateRequest = PromptRequest | MessagesRequest;

const REQUEST_OPTIONS = [
  ...SAMPLING_OPTIONS,
  "prompt",
  "messages",
  "tools",
  "maxTokens",
  "stop",
  "logprobs",
  "ignoreEos",
  "signal",
  "onPromptProgress",
] as const;

const DEFAULT_MAX_TOKENS = 2048;
/** Of the best tokens at one position; each token of the answer brings as many. */
const MAX_LOGPROBS = 1000;
const MAX_STOP_STRINGS = 256;
const MAX_STOP_LENGTH = 4096;

export type CheckedInput =
  | { kind: "text"; text: string }
  | { kind: "ids"; ids: Uint32Array }
  | { kind: "messages"; messages: ChatMessage[]; tools: ToolDefinition[] };

export interface CheckedRequest {
  input: CheckedInput;
  sampling: NativeSampling;
  maxTokens: number;
  stop: string[];
  /** -1: none. */
  logprobs: number;
  ignoreEos: boolean;
  signal: AbortSignal | undefined;
  onPromptProgress: ((progress: PromptProgress) => void) | undefined;
}

/** @throws PunieError `INVALID_OPTION` */
export function checkRequest(value: GenerateRequest, vocabSize: number): CheckedRequest {
  const options = checkNames("request", value, REQUEST_OPTIONS) as RequestOptions & Record<string, unknown>;
  return {
    input: checkInput(options, vocabSize),
    sampling: checkSampling(options, vocabSize),
    maxTokens: checkInteger("maxTokens", options.maxTokens, DEFAULT_MAX_TOKENS, { min: 1 }),
    stop: checkStop(options.stop),
    logprobs: checkInteger("logprobs", options.logprobs, -1, { min: 0, max: MAX_LOGPROBS }),
    ignoreEos: checkBoolean("ignoreEos", options.ignoreEos, false),
    signal: checkSignal("signal", options.signal),
    onPromptProgress: checkFunction("onPromptProgress", options.onPromptProgress),
  };
}

function checkInput({ prompt, messages, tools }: Record<string, unknown>, vocabSize: number): CheckedInput {
  if ((prompt === undefined) === (messages === undefined)) {
    const found = prompt === undefined ? "neither" : "both";
    throw new PunieError("INVALID_OPTION", `request: expected either 'prompt' or 'messages', received ${found}.`);
  }
  if (messages !== undefined) {
    return { kind: "messages", messages: normalizeMessages(messages), tools: tools ? normalizeTools(tools) : [] };
  }
  if (tools !== undefined) throw invalidOption("tools", "tools with 'messages' only", tools);
  if (typeof prompt === "string") {
    if (prompt === "") throw invalidOption("prompt", "a text that is not empty", prompt);
    return { kind: "text", text: prompt };
  }
  if (Array.isArray(prompt) || prompt instanceof Uint32Array)
    return { kind: "ids", ids: checkIds("prompt", prompt, vocabSize) };
  throw invalidOption("prompt", "a text or an array of token ids", prompt);
}

/** Token ids of the model's vocabulary, at least one. */
export function checkIds(name: string, value: ArrayLike<unknown>, vocabSize: number): Uint32Array {
  if (value.length === 0) throw invalidOption(name, "at least one token id", []);
  return Uint32Array.from(value, (id, index) => {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    throw invalidOption(`${name}[${index}]`, `a token id from 0 to ${vocabSize - 1}`, id);
  });
}

function checkStop(value: unknown): string[] {
  if (value === undefined) return [];
  const stops = Array.isArray(value) ? value : [value];
  if (stops.length > MAX_STOP_STRINGS) throw invalidOption("stop", `at most ${MAX_STOP_STRINGS} texts`, value);
  for (const stop of stops) {
    if (typeof stop !== "string" || stop === "" || stop.length > MAX_STOP_LENGTH) {
      throw invalidOption("stop", `texts of 1 to ${MAX_STOP_LENGTH} characters`, stop);
    }
  }
  return stops as string[];
}
