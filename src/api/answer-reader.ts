/** An answer's text, piece by piece, as parts: stop strings end it, thoughts and tool calls are told apart from text. */
import { createReasoningSplitter, type ReasoningOptions, type ReasoningPart } from "../chat/reasoning.js";
import { createStopStrings } from "../chat/stop-strings.js";
import type { StreamPart } from "./parts.js";

export interface AnswerReaderOptions {
  stop: readonly string[];
  /** Undefined: `<think>` is text like any other. */
  reasoning?: ReasoningOptions | undefined;
}

export interface AnswerReader {
  /** The parts that are certain now. After a stop string, there are no more. */
  push(text: string): StreamPart[];
  /** What was held back, once no more text comes. */
  end(): StreamPart[];
  /** A stop string ended the answer. */
  readonly stopped: boolean;
}

export function createAnswerReader({ stop, reasoning }: AnswerReaderOptions): AnswerReader {
  const stops = createStopStrings(stop);
  const splitter = reasoning && createReasoningSplitter(reasoning);
  let stopped = false;

  const split = (text: string): ReasoningPart[] => {
    if (text === "") return [];
    return splitter ? splitter.push(text) : [{ type: "text-delta", text }];
  };

  return {
    push(text) {
      const { text: sure, stopped: found } = stops.push(text);
      stopped ||= found !== undefined;
      return split(sure);
    },
    end() {
      return [...split(stops.end().text), ...(splitter?.end() ?? [])];
    },
    get stopped() {
      return stopped;
    },
  };
}
