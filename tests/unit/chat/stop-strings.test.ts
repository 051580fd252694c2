import { describe, expect, it } from "vitest";
import { createStopStrings } from "../../../src/chat/stop-strings.js";

function run(stops: string[], pieces: string[]) {
  const stream = createStopStrings(stops);
  let text = "";
  let stopped: string | undefined;
  for (const piece of pieces) {
    const result = stream.push(piece);
    text += result.text;
    stopped ??= result.stopped;
  }
  text += stream.end().text;
  return { text, stopped };
}

const cases: [stops: string[], text: string, kept: string, stopped: string | undefined][] = [
  [["\n\n"], "a\nb\n\nc", "a\nb", "\n\n"],
  [["END"], "no eND EN", "no eND EN", undefined],
  [["END"], "END", "", "END"],
  [["abc", "b"], "xabc", "xa", "b"],
  [["abab"], "aababab", "a", "abab"],
  [["", "x"], "axb", "a", "x"],
  [[], "anything", "anything", undefined],
  [["é", "👩‍👩"], "a👩‍👩b", "a", "👩‍👩"],
  [["aab"], "aaaab!", "aa", "aab"],
];

describe("stop strings", () => {
  it.each(cases)("%j ends %j", (stops, text, kept, stopped) => {
    expect(run(stops, [text])).toEqual({ text: kept, stopped });
  });

  it("end the text at the same place however it is cut", () => {
    for (const [stops, text, kept, stopped] of cases) {
      expect(run(stops, text.split(""))).toEqual({ text: kept, stopped });
      for (let cut = 0; cut <= text.length; cut++) {
        expect(run(stops, [text.slice(0, cut), text.slice(cut)])).toEqual({ text: kept, stopped });
      }
    }
  });

  it("hold back only what could begin one", () => {
    const stream = createStopStrings(["<end>"]);
    expect(stream.push("abc<").text).toBe("abc");
    expect(stream.push("b>").text).toBe("<b>");
    expect(stream.push("x<en")).toEqual({ text: "x" });
    expect(stream.push("d>rest")).toEqual({ text: "", stopped: "<end>" });
    expect(stream.push("more")).toEqual({ text: "" });
    expect(stream.end()).toEqual({ text: "" });
  });
});
