import { describe, expect, it } from "vitest";
import { runProgram } from "../helpers/run-program.js";
import { finished, startPunie, untilWritten } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const clean = (exitCode: number, stdout = "") => ({ stdout, stderr: "", exitCode });

describe("a process ends cleanly", () => {
  it("by process.exit during generation", async () => {
    const run = await runProgram(`
      const model = await loadModel(MODEL);
      for await (const part of model.stream(LONG)) process.exit(7);
    `);
    expect(run).toEqual(clean(7));
  });

  it("by process.exit while a model loads", async () => {
    const run = await runProgram(`
      loadModel(MODEL, { onProgress: ({ phase }) => { if (phase === "load") setImmediate(() => process.exit(7)); } });
    `);
    expect(run).toEqual(clean(7));
  });

  it("by process.exit with several models and requests", async () => {
    const run = await runProgram(`
      const models = await Promise.all([loadModel(MODEL), loadModel(MODEL)]);
      for (const model of models) for (let i = 0; i < 3; i++) model.generate(LONG).catch(() => {});
      setTimeout(() => process.exit(7), 100);
    `);
    expect(run).toEqual(clean(7));
  });

  it("by an uncaught error during generation", async () => {
    const run = await runProgram(`
      const model = await loadModel(MODEL);
      for await (const part of model.stream(LONG)) throw new Error("from the caller");
    `);
    expect(run).toMatchObject({ stdout: "", exitCode: 1, stderr: expect.stringContaining("from the caller") });
  });

  it("by itself, when a model is never disposed", async () => {
    const run = await runProgram(`
      const model = await loadModel(MODEL);
      const { tokens } = await model.generate({ prompt: [1, 2, 3], maxTokens: 5, ignoreEos: true });
      console.log(tokens.length);
    `);
    expect(run).toEqual(clean(0, "5\n"));
  });

  it("only after a generation that is awaited", async () => {
    const run = await runProgram(`
      const model = await loadModel(MODEL);
      model.generate(LONG).then(({ tokens }) => console.log(tokens.length));
    `);
    expect(run).toEqual(clean(0, "2045\n"));
  });

  it("in a worker thread that ends during generation", async () => {
    const run = await runProgram(`
      import { Worker } from "node:worker_threads";
      import { once } from "node:events";
      const source = \`import { parentPort } from "node:worker_threads";
        const { loadModel } = await import(\${JSON.stringify(PACKAGE)});
        const model = await loadModel(\${JSON.stringify(MODEL)});
        for await (const part of model.stream(\${JSON.stringify(LONG)})) parentPort.postMessage("generating");\`;
      const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(source)));
      await once(worker, "message");
      await worker.terminate();
      console.log("terminated");
    `);
    expect(run).toEqual(clean(0, "terminated\n"));
  });
});

describe("punie generate", () => {
  const endless = [
    "generate",
    "--model",
    TINY_MODEL,
    "--raw",
    "--prompt",
    "The",
    "--ignore-eos",
    "--max-tokens",
    "2000",
  ];

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("ends with %s's exit code, and says nothing but the answer so far", async (signal, code) => {
    const child = startPunie(endless);
    const ended = finished(child);
    await untilWritten(child, /\w/);
    child.kill(signal);
    const { stdout, stderr, exitCode } = await ended;
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: code });
    expect(stdout).toMatch(/\n$/);
  });

  it("ends quietly when the reader of stdout leaves", async () => {
    const child = startPunie(endless);
    const ended = finished(child);
    await untilWritten(child, /\w/);
    child.stdout.destroy();
    const { stderr, exitCode } = await ended;
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  });
});
