/** What the server needs of a model: `punie`'s own `Model` fits, and so does anything that streams the same parts. */
import type { NamedModel } from "./model-names.js";

/** A message as chat templates take it: text content, and a call's arguments as an object. */
export interface ServedMessage {
  role: "system" | "user" | "assistant" | "tool";
  content: string;
  /** What the model thought before it answered: templates keep it within a row of tool calls. */
  reasoning_content?: string;
  /** Names the call that a `tool` message answers. */
  tool_call_id?: string;
  tool_calls?: { id: string; type: "function"; function: { name: string; arguments: Record<string, unknown> } }[];
}

export interface ServedTool {
  type: "function";
  function: { name: string; description?: string; parameters?: Record<string, unknown> };
}

export interface ServedRequest {
  messages: ServedMessage[];
  tools?: ServedTool[];
  maxTokens?: number;
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  repetitionPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  logitBias?: Record<number, number>;
  seed?: number;
  stop?: string[];
  /** 0: each token's own log-probability; N: and those of the N likeliest. */
  logprobs?: number;
  signal: AbortSignal;
}

/** A generated token with its log-probability, and the likeliest ones in its place. */
export interface ServedToken {
  id: number;
  text: string | null;
  logprob?: number;
  top?: { id: number; text: string | null; logprob: number }[];
}

export interface ServedUsage {
  promptTokens: number;
  cachedTokens: number;
  completionTokens: number;
}

export type ServedPart =
  | { type: "text-delta"; text: string; tokens?: readonly ServedToken[] }
  | { type: "reasoning-delta"; text: string; tokens?: readonly ServedToken[] }
  | { type: "tool-call"; id: string; name: string; arguments: Record<string, unknown> }
  | { type: "invalid-tool-call"; raw: string; reason: string }
  | {
      type: "finish";
      finishReason: "stop" | "length" | "tool-calls";
      usage: ServedUsage;
      tokens?: readonly ServedToken[];
    };

/** Sampling settings that the model's author recommends; a request's own come first. */
export type ServedDefaults = Pick<ServedRequest, "temperature" | "topP" | "topK" | "minP" | "repetitionPenalty">;

export interface ServedModel {
  readonly info?: Readonly<NamedModel>;
  readonly generationDefaults?: Readonly<ServedDefaults>;
  stream(request: ServedRequest): AsyncIterable<ServedPart>;
  /** For log-probabilities, where a token may be part of a character. Default: its text's bytes. */
  tokenBytes?(id: number): Uint8Array | undefined;
}
