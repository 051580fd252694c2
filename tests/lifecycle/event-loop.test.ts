import { describe, expect, it } from "vitest";
import { runProgram } from "../helpers/run-program.js";

/** A loose bound: a busy machine may take a while to come back, a blocked one takes seconds. */
const LONGEST_GAP_MS = 250;

describe("the event loop", () => {
  it("stays free while a model loads and while it generates", async () => {
    const { stdout, stderr } = await runProgram(`
      let longest = 0;
      let last = performance.now();
      const timer = setInterval(() => {
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      }, 5);
      const gaps = {};
      const reset = () => { const gap = longest; longest = 0; last = performance.now(); return gap; };
      reset();
      const model = await loadModel(MODEL);
      gaps.load = reset();
      await Promise.all([model.generate(LONG), model.generate({ ...LONG, prompt: Array(1500).fill(5), maxTokens: 100 })]);
      gaps.generate = reset();
      await model.tokenize("word ".repeat(100_000));
      gaps.tokenize = reset();
      await model.dispose();
      gaps.dispose = reset();
      clearInterval(timer);
      console.log(JSON.stringify(gaps));
    `);
    expect(stderr).toBe("");
    const gaps: Record<string, number> = JSON.parse(stdout);
    expect(Object.keys(gaps)).toEqual(["load", "generate", "tokenize", "dispose"]);
    for (const [phase, gap] of Object.entries(gaps)) expect(gap, phase).toBeLessThan(LONGEST_GAP_MS);
  });
});
