import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { llamaSpec } from "../helpers/llama-spec.js";
import { writeRandomModel } from "../helpers/random-model.js";
import { runProgram } from "../helpers/run-program.js";

/** Nine megabytes of weights: a pass over a prompt takes long enough to be met in its middle. */
const SPEC = llamaSpec({
  hidden: 256,
  layers: 2,
  inner: 1024,
  heads: 4,
  keyValueHeads: 4,
  vocab: 1024,
  positions: 2048,
});

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "punie-cut-short-"));
  await writeRandomModel(SPEC, join(parent, "whole"));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

describe("a weight file that is cut short while it is mapped is an error, not a crash", () => {
  it.each([
    ["during a prompt", "{ prompt: Array(1500).fill(5), maxTokens: 2 }"],
    ["during an answer", "{ prompt: [1, 2, 3], maxTokens: 2000 }"],
  ])("%s, at twelve moments", async (_, request) => {
    const run = await runProgram(`
      import { cp, truncate } from "node:fs/promises";
      const codes = [];
      for (let i = 0; i < 12; i++) {
        const directory = ${JSON.stringify(parent)} + "/" + process.pid + "-" + i;
        await cp(${JSON.stringify(join(parent, "whole"))}, directory, { recursive: true });
        const model = await loadModel(directory);
        const generating = model.generate({ ...${request}, ignoreEos: true });
        // A seventh of the file is left: most of every pass misses its weights.
        setTimeout(() => truncate(directory + "/model.safetensors", 1_400_000), 3 * i);
        codes.push(await generating.then(() => "answered", (error) => error.code));
        const after = await model.generate({ prompt: [1], maxTokens: 1 }).catch((error) => error);
        if (!/model\\.safetensors: (was cut short|could not be read)/.test(after.message)) codes.push(after);
        await model.dispose();
      }
      console.log(JSON.stringify(codes));
    `);
    expect(run).toMatchObject({ stderr: "", exitCode: 0 });
    expect(JSON.parse(run.stdout)).toEqual(Array(12).fill("MODEL_CORRUPT"));
  });

  it("while it loads, at twelve moments", async () => {
    const run = await runProgram(`
      import { cp, truncate } from "node:fs/promises";
      const ends = new Set();
      for (let i = 0; i < 12; i++) {
        const directory = ${JSON.stringify(parent)} + "/" + process.pid + "-" + i;
        await cp(${JSON.stringify(join(parent, "whole"))}, directory, { recursive: true });
        const loading = loadModel(directory);
        setTimeout(() => truncate(directory + "/model.safetensors", 1_400_000), i / 2);
        // Cut after it has loaded, it is told by the first request.
        const ended = await loading.then(async (model) => {
          await new Promise((resolve) => setTimeout(resolve, 30));
          return model.generate({ prompt: [1], maxTokens: 1 }).finally(() => model.dispose());
        }).then(() => "answered", (error) => error.code);
        ends.add(ended);
      }
      console.log([...ends].join());
    `);
    expect(run).toEqual({ stdout: "MODEL_CORRUPT\n", stderr: "", exitCode: 0 });
  });
});
