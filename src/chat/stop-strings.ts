/** Stop strings on a stream: the text ends before the first of them, and only what could begin one is held back. */

export interface StopStringsResult {
  /** Text that no stop string can reach any more. */
  text: string;
  /** The stop string that ended the text. What came after it is dropped. */
  stopped?: string;
}

export interface StopStrings {
  /** After a result with `stopped`, gives nothing more. */
  push(text: string): StopStringsResult;
  /** The text held back. */
  end(): StopStringsResult;
}

/** Empty stop strings are ignored. Where several end at the same character, the longest wins: it begins first. */
export function createStopStrings(stops: readonly string[]): StopStrings {
  const wanted = stops.filter((stop) => stop !== "");
  const longest = Math.max(0, ...wanted.map((stop) => stop.length));
  let held = "";
  let done = false;

  function push(text: string): StopStringsResult {
    if (done) return { text: "" };
    const before = held.length;
    held += text;
    const found = firstStop(held, wanted, before);
    if (found) {
      done = true;
      const kept = held.slice(0, found.at);
      held = "";
      return { text: kept, stopped: found.stop };
    }
    const keep = heldLength(held, wanted, longest);
    const sure = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return { text: sure };
  }

  function end(): StopStringsResult {
    const text = held;
    held = "";
    done = true;
    return { text };
  }

  return { push, end };
}

/** The stop string that ends first, as if the text had come character by character. */
function firstStop(text: string, stops: readonly string[], before: number): { at: number; stop: string } | undefined {
  let best: { at: number; stop: string; end: number } | undefined;
  for (const stop of stops) {
    // It ends in the new text, or it would have been found before.
    const at = text.indexOf(stop, Math.max(0, before - stop.length + 1));
    if (at < 0) continue;
    const end = at + stop.length;
    if (!best || end < best.end || (end === best.end && at < best.at)) best = { at, stop, end };
  }
  return best;
}

/** Length of the longest end of `text` that is the beginning of a stop string. */
function heldLength(text: string, stops: readonly string[], longest: number): number {
  for (let length = Math.min(longest - 1, text.length); length > 0; length--) {
    const tail = text.slice(text.length - length);
    if (stops.some((stop) => stop.startsWith(tail))) return length;
  }
  return 0;
}
