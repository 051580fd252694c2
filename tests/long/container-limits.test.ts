import { accessSync, constants, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { llamaSpec } from "../helpers/llama-spec.js";
import { writeRandomModel } from "../helpers/random-model.js";
import { runProgram } from "../helpers/run-program.js";

const GROUPS = "/sys/fs/cgroup";
const NAME = `punie-test-${process.pid}`;
const CPU = join(GROUPS, "cpu", NAME);
const MEMORY = join(GROUPS, "memory", NAME);

/** A few machines let a test have control groups of its own: as root, with version 1's hierarchies. */
const possible = ["cpu", "memory"].every((controller) => {
  try {
    accessSync(join(GROUPS, controller, "cgroup.procs"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
});

/** The first thing that a program does: enter the group. */
const inside = (group: string) => `
  (await import("node:fs")).writeFileSync(${JSON.stringify(join(group, "cgroup.procs"))}, String(process.pid));
`;

describe.skipIf(!possible)("in a real control group", () => {
  let parent: string;
  let directory: string;
  beforeAll(async () => {
    for (const group of [CPU, MEMORY]) mkdirSync(group);
    parent = await mkdtemp(join(tmpdir(), "punie-container-"));
    const shape = { hidden: 512, layers: 8, inner: 1024, heads: 8, keyValueHeads: 8, headDim: 64 };
    directory = await writeRandomModel(llamaSpec({ ...shape, vocab: 8192, positions: 16_384 }), join(parent, "model"));
  });
  afterAll(async () => {
    for (const group of [CPU, MEMORY]) rmdirSync(group);
    await rm(parent, { recursive: true, force: true });
  });

  it("a quota of one processor means one thread, however many cores there are", async () => {
    writeFileSync(join(CPU, "cpu.cfs_period_us"), "100000");
    writeFileSync(join(CPU, "cpu.cfs_quota_us"), "100000");
    const { stdout, stderr } = await runProgram(`${inside(CPU)}
      const { loadBinding } = await import(new URL("./native/binding.js", PACKAGE));
      console.log(loadBinding().info().cores);
    `);
    expect({ stdout: stdout.trim(), stderr }).toEqual({ stdout: "1", stderr: "" });
  });

  it("what the group's memory can't hold is refused before it is loaded, and `auto` fits", async () => {
    writeFileSync(join(MEMORY, "memory.limit_in_bytes"), String(320 * 2 ** 20));
    const { stdout, stderr, exitCode } = await runProgram(`${inside(MEMORY)}
      const refused = await loadModel(${JSON.stringify(directory)}, { contextLength: 16384 }).catch((error) => error);
      const model = await loadModel(${JSON.stringify(directory)}, { contextLength: "auto" });
      const { usage } = await model.generate({ prompt: Array(model.info.contextLength - 10).fill(1), maxTokens: 5, ignoreEos: true });
      console.log(JSON.stringify({ code: refused.code, message: refused.message, context: model.info.contextLength, ...usage }));
      await model.dispose();
    `);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    const { code, message, context, promptTokens, completionTokens } = JSON.parse(stdout);
    expect(code).toBe("OUT_OF_MEMORY");
    expect(message).toMatch(/of the container's 320 MiB are available.*A context of \d+ tokens fits/);
    expect(context).toBeGreaterThan(1000);
    expect(context).toBeLessThan(16_384);
    expect([promptTokens, completionTokens]).toEqual([context - 10, 5]);
  });
});
