import { expect, it } from "vitest";
import { runProgram } from "../helpers/run-program.js";

const RUNS = 100;
/** process.exit() this many milliseconds after a load has begun: from before the thread's first step to a model in use. */
const MOMENTS_MS = [0, 1, 2, 3, 5, 8, 13, 40];

it("a process ends cleanly whenever it exits, a hundred times", { timeout: 600_000 }, async () => {
  for (let run = 0; run < RUNS; run++) {
    const { exitCode, stderr } = await runProgram(`
      loadModel(MODEL, {
        onProgress: ({ phase }) => {
          if (phase === "load") setTimeout(() => process.exit(7), ${MOMENTS_MS[run % MOMENTS_MS.length]});
        },
      }).then((model) => model.generate(LONG)).catch(() => {});
    `);
    expect({ run, exitCode, stderr }).toEqual({ run, exitCode: 7, stderr: "" });
  }
});
