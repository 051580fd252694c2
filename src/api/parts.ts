/** What a generation gives: the parts of a stream, and the result that they join to. */
import type { NativeDevice, NativeMemory, Quantization } from "../native/binding-types.js";

/** `stop`: an end token or a stop string; `length`: `maxTokens` or the context's end; `tool-calls`: it ended with calls. */
export type FinishReason = "stop" | "length" | "tool-calls";

export interface Usage {
  /** Tokens of the prompt. */
  promptTokens: number;
  /** Of these, how many were taken from a cache. */
  cachedTokens: number;
  /** Tokens generated, without the end token. */
  completionTokens: number;
}

/** Milliseconds, and tokens per second. */
export interface Timings {
  /** Loading of the model, once. */
  loadMs: number;
  /** From the start of the work on the prompt, after any wait for other requests, to its end. */
  promptMs: number;
  /** From the request to the first token, any wait with it. */
  firstTokenMs: number;
  /** From the first token to the last. */
  generationMs: number;
  /** Prompt tokens computed (not cached), per second of `promptMs`. 0 without any. */
  promptTokensPerSecond: number;
  /** Tokens after the first, per second of `generationMs`. 0 without any. */
  generationTokensPerSecond: number;
}

/** One of the likeliest tokens of a position. */
export interface TopToken {
  id: number;
  /** Its text alone, or null without a tokenizer. */
  text: string | null;
  /** Natural logarithm of the model's own probability, before sampling changed it. */
  logprob: number;
}

/** A generated token. The `text`s of an answer's tokens join to its whole text. */
export interface Token {
  id: number;
  /** What it adds to the text: empty while a character is incomplete. Null without a tokenizer. */
  text: string | null;
  /** Natural logarithm of the model's own probability, before sampling changed it. Only with `logprobs`. */
  logprob?: number;
  /** The likeliest tokens, best first. Only with `logprobs` above 0. */
  top?: TopToken[];
}

export interface ToolCall {
  id: string;
  name: string;
  /** Typed by the tool's schema. */
  arguments: Record<string, unknown>;
}

/** Text that began as a tool call and is none. */
export interface InvalidToolCall {
  raw: string;
  reason: string;
}

export interface Finish {
  finishReason: FinishReason;
  usage: Usage;
  timings: Timings;
}

/**
 * A piece of an answer, in order; the last is `finish`. With `logprobs`, each piece of text brings the `tokens` that
 * were read for it; those that gave no text come with `finish`.
 */
export type StreamPart =
  | { type: "text-delta"; text: string; tokens?: Token[] }
  | { type: "reasoning-delta"; text: string; tokens?: Token[] }
  | ({ type: "tool-call" } & ToolCall)
  | ({ type: "invalid-tool-call" } & InvalidToolCall)
  | ({ type: "finish"; tokens?: Token[] } & Finish);

export interface LoadedModelInfo {
  /** The model directory. */
  path: string;
  /** As it was asked for, without `local:`. */
  name: string;
  modelType: string;
  /** Null when the weights are not quantized. */
  quantization: Quantization | null;
  device: NativeDevice;
  /** Most tokens, prompt and answer together. */
  contextLength: number;
  /** False: the directory has no tokenizer.json, and prompts and answers are token ids. */
  hasTokenizer: boolean;
}

/** A whole answer: the parts of its stream, joined, and what was measured. */
export interface GenerateResult extends Finish {
  /** Null without a tokenizer. */
  text: string | null;
  /** The ids that were read, template included. */
  promptTokens: number[];
  tokens: Token[];
  toolCalls: ToolCall[];
  invalidToolCalls: InvalidToolCall[];
  /** What stood between `<think>` and `</think>`; empty without. */
  reasoning: string;
  memory: NativeMemory;
  model: Pick<LoadedModelInfo, "path" | "modelType" | "quantization" | "device">;
}
