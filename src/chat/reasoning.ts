/** Splits what a model thinks, between `<think>` and `</think>`, from what it answers, on a stream cut anywhere. */

export type ReasoningPart = { type: "text-delta"; text: string } | { type: "reasoning-delta"; text: string };

export interface ReasoningSplitter {
  push(text: string): ReasoningPart[];
  /** What was held back, as what it would have been part of. */
  end(): ReasoningPart[];
}

const OPEN = "<think>";
const CLOSE = "</think>";

export interface ReasoningOptions {
  /** The prompt ended in `<think>`, so the answer begins inside. Default false. */
  startsInside?: boolean;
}

/**
 * Tags are dropped and everything else is kept, byte for byte. A thought may stand only at the start, after
 * whitespace: later tags are the answer's own text (an answer about this very format, say).
 */
export function createReasoningSplitter({ startsInside = false }: ReasoningOptions = {}): ReasoningSplitter {
  let state: "before" | "inside" | "after" = startsInside ? "inside" : "before";
  let held = "";

  const part = (type: ReasoningPart["type"], text: string): ReasoningPart[] => (text === "" ? [] : [{ type, text }]);

  function push(text: string): ReasoningPart[] {
    held += text;
    const parts: ReasoningPart[] = [];
    if (state === "before") parts.push(...before());
    if (state === "inside") parts.push(...inside());
    if (state === "after") parts.push(...flush("text-delta"));
    return parts;
  }

  function before(): ReasoningPart[] {
    const start = held.length - held.trimStart().length;
    const rest = held.slice(start);
    if (rest.startsWith(OPEN)) {
      const space = held.slice(0, start);
      held = rest.slice(OPEN.length);
      state = "inside";
      return part("text-delta", space);
    }
    if (!OPEN.startsWith(rest)) state = "after";
    return [];
  }

  function inside(): ReasoningPart[] {
    const end = held.indexOf(CLOSE);
    if (end >= 0) {
      const thought = held.slice(0, end);
      held = held.slice(end + CLOSE.length);
      state = "after";
      return part("reasoning-delta", thought);
    }
    let keep = Math.min(CLOSE.length - 1, held.length);
    while (!CLOSE.startsWith(held.slice(held.length - keep))) keep--;
    const thought = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return part("reasoning-delta", thought);
  }

  function flush(type: ReasoningPart["type"]): ReasoningPart[] {
    const text = held;
    held = "";
    return part(type, text);
  }

  return { push, end: () => flush(state === "inside" ? "reasoning-delta" : "text-delta") };
}
