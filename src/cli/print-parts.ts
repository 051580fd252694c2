/** An answer on stdout, as it comes. */
import type { Finish, StreamPart } from "../api/parts.js";
import { PunieError } from "../errors.js";
import { answer, note, noteDimmed } from "./output.js";

/** Text as it stands, a tool call as a line of JSON, and a newline at the end; thoughts go to stderr. */
export async function printParts(parts: AsyncIterable<StreamPart>): Promise<Finish> {
  let atLineStart = true;
  const print = (text: string) => {
    answer(text);
    atLineStart = text.endsWith("\n");
  };
  try {
    for await (const part of parts) {
      switch (part.type) {
        case "text-delta":
          print(part.text);
          break;
        case "reasoning-delta":
          noteDimmed(part.text);
          break;
        case "tool-call":
          if (!atLineStart) print("\n");
          print(`${JSON.stringify({ name: part.name, arguments: part.arguments })}\n`);
          break;
        case "invalid-tool-call":
          print(part.raw);
          note(`Not a valid tool call: ${part.reason}`);
          break;
        case "finish":
          return part;
      }
    }
  } finally {
    // Also when it is interrupted: what follows on the terminal begins on a line of its own.
    if (!atLineStart) print("\n");
  }
  throw new PunieError("INTERNAL", "The stream ended without its finish.");
}
