/** A stream's parts, joined. */
import { PunieError } from "../errors.js";
import type { Finish, InvalidToolCall, StreamPart, ToolCall } from "./parts.js";

export interface JoinedParts extends Finish {
  text: string;
  reasoning: string;
  toolCalls: ToolCall[];
  invalidToolCalls: InvalidToolCall[];
}

/** Reads to the end. */
export async function joinParts(parts: AsyncIterable<StreamPart>): Promise<JoinedParts> {
  const text: string[] = [];
  const reasoning: string[] = [];
  const toolCalls: ToolCall[] = [];
  const invalidToolCalls: InvalidToolCall[] = [];
  for await (const part of parts) {
    switch (part.type) {
      case "text-delta":
        text.push(part.text);
        break;
      case "reasoning-delta":
        reasoning.push(part.text);
        break;
      case "tool-call":
        toolCalls.push({ id: part.id, name: part.name, arguments: part.arguments });
        break;
      case "invalid-tool-call":
        invalidToolCalls.push({ raw: part.raw, reason: part.reason });
        break;
      case "finish": {
        const { finishReason, usage, timings } = part;
        const joined = { text: text.join(""), reasoning: reasoning.join(""), toolCalls, invalidToolCalls };
        return { ...joined, finishReason, usage, timings };
      }
    }
  }
  throw new PunieError("INTERNAL", "The stream ended without its finish.");
}
