/** An answer's text, piece by piece, as parts: stop strings end it, thoughts and tool calls are told apart from text. */

import type { ToolDefinition } from "../chat/messages.js";
import { createReasoningSplitter, type ReasoningOptions, type ReasoningPart } from "../chat/reasoning.js";
import { createStopStrings } from "../chat/stop-strings.js";
import { createToolCallParser } from "../chat/tool-calls.js";
import type { StreamPart } from "./parts.js";

export interface AnswerReaderOptions {
  stop: readonly string[];
  /** Undefined: `<think>` is text like any other. */
  reasoning?: ReasoningOptions | undefined;
  /** Empty or absent: what looks like a call is text. */
  tools?: readonly ToolDefinition[] | undefined;
}

export interface AnswerReader {
  /** The parts that are certain now. After a stop string, there are no more. */
  push(text: string): StreamPart[];
  /** What was held back, once no more text comes. `truncated`: the token limit cut it. */
  end(options: { truncated: boolean }): StreamPart[];
  /** A stop string ended the answer. */
  readonly stopped: boolean;
}

export function createAnswerReader({ stop, reasoning, tools = [] }: AnswerReaderOptions): AnswerReader {
  const stops = createStopStrings(stop);
  const splitter = reasoning && createReasoningSplitter(reasoning);
  const calls = tools.length > 0 ? createToolCallParser({ tools }) : undefined;
  let stopped = false;

  function split(text: string): ReasoningPart[] {
    if (text === "") return [];
    return splitter ? splitter.push(text) : [{ type: "text-delta", text }];
  }

  /** Calls stand in the answer, not in thoughts. */
  function findCalls(parts: readonly ReasoningPart[]): StreamPart[] {
    if (!calls) return [...parts];
    return parts.flatMap((part): StreamPart[] => (part.type === "text-delta" ? calls.push(part.text) : [part]));
  }

  return {
    push(text) {
      const { text: sure, stopped: found } = stops.push(text);
      stopped ||= found !== undefined;
      return findCalls(split(sure));
    },
    end({ truncated }) {
      const rest = findCalls([...split(stops.end().text), ...(splitter?.end() ?? [])]);
      return [...rest, ...(calls?.end({ truncated }) ?? [])];
    },
    get stopped() {
      return stopped;
    },
  };
}
