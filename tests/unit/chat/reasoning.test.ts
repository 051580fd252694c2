import { describe, expect, it } from "vitest";
import { createReasoningSplitter, type ReasoningOptions } from "../../../src/chat/reasoning.js";

function split(pieces: string[], options?: ReasoningOptions) {
  const splitter = createReasoningSplitter(options);
  const result = { reasoning: "", text: "" };
  for (const part of [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end()]) {
    expect(part.text).not.toBe("");
    if (part.type === "reasoning-delta") result.reasoning += part.text;
    else result.text += part.text;
  }
  return result;
}

const cases: [text: string, options: ReasoningOptions, reasoning: string, answer: string][] = [
  ["<think>\nhm\n</think>\n\nYes.", {}, "\nhm\n", "\n\nYes."],
  ["\n <think>a</think>b", {}, "a", "\n b"],
  ["No thought <think>here</think>", {}, "", "No thought <think>here</think>"],
  ["a < b", {}, "", "a < b"],
  ["<think></think>x", {}, "", "x"],
  ["<think>cut o", {}, "cut o", ""],
  ["<thin", {}, "", "<thin"],
  ["<think>a</thin", {}, "a</thin", ""],
  ["a </th</think>b</think>c", { startsInside: true }, "a </th", "b</think>c"],
  ["", {}, "", ""],
];

describe("reasoning", () => {
  it.each(cases)("of %j, %j", (text, options, reasoning, answer) => {
    expect(split([text], options)).toEqual({ reasoning, text: answer });
  });

  it("is told from the answer wherever the stream is cut", () => {
    for (const [text, options, reasoning, answer] of cases) {
      expect(split(text.split(""), options)).toEqual({ reasoning, text: answer });
      for (let cut = 0; cut <= text.length; cut++) {
        expect(split([text.slice(0, cut), text.slice(cut)], options)).toEqual({ reasoning, text: answer });
      }
    }
  });
});
