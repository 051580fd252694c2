import { describe, expect, it } from "vitest";
import { cleanEnd, ENDS, type End, endDuring, PHASES } from "../helpers/end-at-any-moment.js";
import { runProgram } from "../helpers/run-program.js";

describe.each(Object.keys(ENDS) as End[])("an end by %s is clean", (end) => {
  it.each(PHASES)("during %s", async (phase) => {
    const { stderr, ...ended } = await endDuring(phase, end, 2);
    const { stderr: said, ...expected } = cleanEnd(end);
    expect({ ...ended, stderr }).toEqual({ ...expected, stderr: expect.stringMatching(said) });
  });
});

describe.skipIf(process.platform !== "linux")("worker threads that are terminated while they generate", () => {
  it("leave no file and no mapping behind, no thread of ours, and others at work", async () => {
    const { stdout, stderr, exitCode } = await runProgram(`
      import { Worker } from "node:worker_threads";
      import { once } from "node:events";
      import { readdirSync, readFileSync } from "node:fs";
      const source = \`import { parentPort } from "node:worker_threads";
        const { loadModel } = await import(\${JSON.stringify(PACKAGE)});
        const model = await loadModel(\${JSON.stringify(MODEL)});
        for await (const part of model.stream(\${JSON.stringify(LONG)})) parentPort.postMessage("generating");\`;
      const url = new URL("data:text/javascript," + encodeURIComponent(source));
      const mine = await loadModel(MODEL);
      const expected = (await mine.generate({ ...LONG, maxTokens: 50 })).text;
      const run = async () => {
        const workers = [new Worker(url), new Worker(url)];
        await Promise.all(workers.map((worker) => once(worker, "message")));
        await Promise.all(workers.map((worker) => worker.terminate()));
      };
      const count = () => ({
        threads: readdirSync("/proc/self/task").length,
        files: readdirSync("/proc/self/fd").length,
        mappings: readFileSync("/proc/self/maps", "utf8").split(MODEL).length,
      });
      await run();
      const before = count();
      for (let i = 0; i < 4; i++) await run();
      const after = count();
      const same = (await mine.generate({ ...LONG, maxTokens: 50 })).text === expected;
      await mine.dispose();
      console.log(JSON.stringify({ before, after, same }));
    `);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    const { before, after, same } = JSON.parse(stdout);
    // MLX ends the thread of a stream with the process only: one for each model that there was, idle.
    const models = 8;
    expect({ ...after, threads: 0 }).toEqual({ ...before, threads: 0 });
    expect(after.threads - before.threads).toBeLessThanOrEqual(models);
    expect(same).toBe(true);
  });
});
