import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { loadModelWith } from "../../src/api/load-model.js";
import { loadModel, type Model } from "../../src/index.js";
import { cacheBytes, planMemory } from "../../src/memory/memory-plan.js";
import { openModelDirectory } from "../../src/models/model-directory.js";
import { loadBinding } from "../../src/native/binding.js";
import type { NativeEvent, NativeLoadOptions, NativeMemory } from "../../src/native/binding-types.js";
import { fakeNative } from "../helpers/fake-native.js";
import { GREEDY } from "../helpers/golden-native.js";
import { llamaSpec } from "../helpers/llama-spec.js";
import { deltaMixtureSpec, mixtureSpec } from "../helpers/mixture-spec.js";
import { writeRandomModel } from "../helpers/random-model.js";
import { runProgram } from "../helpers/run-program.js";

const MIB = 2 ** 20;

/** 18 MB of weights, 33 KB of keys and values a token, and little to compute. */
const SPEC = llamaSpec({
  hidden: 128,
  layers: 4,
  inner: 256,
  heads: 16,
  keyValueHeads: 16,
  headDim: 128,
  vocab: 1024,
  positions: 4096,
});
/** Many layers: what one doesn't leave to the next is soon more than is counted. */
const MIXTURE = {
  hidden: 128,
  layers: 8,
  heads: 4,
  keyValueHeads: 2,
  headDim: 64,
  experts: 8,
  perToken: 4,
  inner: 64,
  vocab: 1024,
  positions: 4096,
};
/** For MLX's own operations, which are slow on the CPU. */
const SMALLER = llamaSpec({
  hidden: 64,
  layers: 2,
  inner: 64,
  heads: 4,
  keyValueHeads: 2,
  headDim: 24,
  vocab: 1024,
  positions: 4096,
});

let parent: string;
let directory: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "punie-memory-"));
  directory = await writeRandomModel(SPEC, join(parent, "model"));
});
afterAll(() => rm(parent, { recursive: true, force: true }));

const models: Model[] = [];
afterEach(async () => {
  for (const model of models.splice(0)) await model.dispose();
});
async function open(options: Parameters<typeof loadModel>[1], path = directory): Promise<Model> {
  const model = await loadModel(path, options);
  models.push(model);
  return model;
}

const prompt = (length: number, start = 1) => Array.from({ length }, (_, i) => ((start + i * 7) % 1000) + 1);

/** Runs requests on the addon itself until all have ended. */
async function runNatively(
  path: string,
  options: Partial<NativeLoadOptions>,
  requests: readonly { prompt: number[]; maxTokens: number }[],
): Promise<{ events: NativeEvent[]; memory: NativeMemory }> {
  const { spec } = await openModelDirectory(path);
  const events: NativeEvent[] = [];
  let left = requests.length;
  let ended = () => {};
  const all = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const onEvents = (batch: NativeEvent[]) => {
    events.push(...batch);
    left -= batch.filter(({ type }) => type === "finish" || type === "error").length;
    if (left === 0) ended();
  };
  const sizes = { device: "cpu", threads: 2, contextLength: 4096, prefillChunk: 128 } as const;
  const native = await loadBinding().loadModel(spec, { ...sizes, ...options, onEvents });
  for (const [id, { prompt, maxTokens }] of requests.entries()) {
    native.start({ id, prompt: Uint32Array.from(prompt), maxTokens, stopIds: [], sampling: GREEDY, logprobs: -1 });
  }
  await all;
  const memory = native.memory();
  await native.dispose();
  return { events, memory };
}

describe("what is counted before loading", () => {
  it.each([
    ["the CPU's kernels", "cpu", false],
    ["MLX's own operations", "metal", true],
  ] as const)("is what caches then take, for %s", async (_, device, stockOps) => {
    const path = await writeRandomModel(SMALLER, join(parent, device));
    const { memory } = await runNatively(path, { stockOps }, [{ prompt: prompt(300), maxTokens: 1 }]);
    const { spec } = await openModelDirectory(path);
    const plan = planMemory(spec, { device, prefillChunk: 128, contextLength: 1024 });
    expect(memory.cacheBytes).toBe(cacheBytes(plan, 301));
  });

  it.each([
    ["a dense model", () => SPEC],
    ["experts", () => mixtureSpec(MIXTURE)],
    ["gated delta nets and experts", () => deltaMixtureSpec(MIXTURE)],
  ])("is at least what passes then take, of %s, and not much more", async (name, specOf) => {
    const path = await writeRandomModel(specOf(), join(parent, name));
    const model = await open({ prefillChunk: 512 }, path);
    await model.generate({ prompt: prompt(600), maxTokens: 4 });
    const { spec } = await openModelDirectory(path);
    const fixed = planMemory(spec, { device: "cpu", prefillChunk: 0, contextLength: 1 });
    const plan = planMemory(spec, { device: "cpu", prefillChunk: 512, contextLength: 4096 });
    const { workBytes } = model.memory();
    expect(workBytes).toBeGreaterThan((plan.workBytes - fixed.workBytes) / 2);
    expect(workBytes).toBeLessThan(plan.workBytes - fixed.workBytes + MIB);
  });
});

describe("a limit", () => {
  it("that the model does not fit refuses it before anything is loaded", async () => {
    const fake = fakeNative();
    const loading = loadModelWith(() => fake.binding, directory, { memoryLimitBytes: 150 * MIB });
    await expect(loading).rejects.toMatchObject({
      code: "OUT_OF_MEMORY",
      message: expect.stringMatching(
        /does not fit.*of weights.*of keys and values for a context of 4096.*of work space/,
      ),
    });
    expect(fake.loadOptions).toEqual([]);
  });

  it("with contextLength 'auto' shortens the context instead, and the answer ends there", async () => {
    const model = await open({ memoryLimitBytes: 136 * MIB, contextLength: "auto" });
    expect(model.info.contextLength).toBeGreaterThanOrEqual(512);
    expect(model.info.contextLength).toBeLessThan(4096);
    const { contextLength } = model.info;
    const answer = await model.generate({ prompt: prompt(contextLength - 10), maxTokens: 100, ignoreEos: true });
    expect(answer.tokens).toHaveLength(10);
    await expect(model.generate({ prompt: prompt(contextLength) })).rejects.toMatchObject({ code: "CONTEXT_TOO_LONG" });
  });

  it("of KV caches has requests wait for each other, with the answers that they have alone", async () => {
    const { spec } = await openModelDirectory(directory);
    const plan = planMemory(spec, { device: "cpu", prefillChunk: 512, contextLength: 256 });
    const limit = cacheBytes(plan, 256);
    const model = await open({ cacheBytes: limit, contextLength: 256 });
    const requests = [1, 2, 3].map((start) => ({ prompt: prompt(20, start), maxTokens: 60, ignoreEos: true }));
    const answers = requests.map((request) => model.generate(request));
    let most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, model.memory().cacheBytes);
    }, 1);
    const together = await Promise.all(answers);
    clearInterval(watching);
    expect(Math.max(most, model.memory().cacheBytes)).toBeLessThanOrEqual(limit);
    expect(most).toBeGreaterThan(0);
    for (const [index, request] of requests.entries()) {
      expect((await model.generate(request)).tokens).toEqual(together[index]?.tokens);
    }
  });

  it("of KV caches refuses a request that would not fit alone, and the model goes on", async () => {
    const { spec } = await openModelDirectory(directory);
    const limit = cacheBytes(planMemory(spec, { device: "cpu", prefillChunk: 128, contextLength: 512 }), 512);
    const { events } = await runNatively(directory, { cacheBytes: limit }, [
      { prompt: prompt(20), maxTokens: 4000 },
      { prompt: prompt(20), maxTokens: 2 },
    ]);
    const message = expect.stringMatching(/4020 tokens.*bytes.*cacheBytes/);
    expect(events[0]).toEqual({ type: "error", request: 0, code: "OUT_OF_MEMORY", message });
    expect(events.at(-1)).toMatchObject({ type: "finish", request: 1 });
  });
});

describe("what is kept for the next prompt", () => {
  it("is freed by releaseCaches, and the answer stays the same", async () => {
    const model = await open({});
    const request = { prompt: prompt(200), maxTokens: 5, ignoreEos: true };
    const first = await model.generate(request);
    expect(model.memory().cacheBytes).toBeGreaterThan(0);
    expect((await model.generate(request)).usage.cachedTokens).toBeGreaterThan(0);
    model.releaseCaches();
    const after = await model.generate(request);
    expect(after.usage.cachedTokens).toBe(0);
    expect(after.tokens).toEqual(first.tokens);
    model.releaseCaches();
    while (model.memory().cacheBytes > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });
});

/** For programs: what this process has for itself, and of files, in bytes. */
const READ_STATUS = `
  import { readFileSync } from "node:fs";
  const status = (name) => Number(new RegExp(name + ":\\\\s+(\\\\d+)").exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
  const DIRECTORY = __DIRECTORY__;
  const settle = async () => { for (let i = 0; i < 3; i++) { global.gc?.(); await new Promise((done) => setTimeout(done, 20)); } };
  const LONG_PROMPT = { prompt: Array.from({ length: 600 }, (_, i) => i % 1000), maxTokens: 2, ignoreEos: true };
`;
const program = (source: string) => READ_STATUS.replace("__DIRECTORY__", JSON.stringify(directory)) + source;
const figures = async (source: string): Promise<Record<string, number>> => {
  const { stdout, stderr, exitCode } = await runProgram(program(source), { flags: ["--expose-gc"] });
  expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
  return JSON.parse(stdout);
};

/** AddressSanitizer keeps what is freed, to see who still reads it. */
const keepsFreed = process.env.ASAN_OPTIONS !== undefined;

describe.skipIf(process.platform !== "linux")("memory", () => {
  it.skipIf(keepsFreed)("is given back by dispose, caches, work space and mappings", async () => {
    const { before, loaded, after, mapped } = await figures(`
      const warm = await loadModel(MODEL);
      await warm.generate({ prompt: [1], maxTokens: 2 });
      await warm.dispose();
      await settle();
      const before = status("RssAnon");
      const model = await loadModel(DIRECTORY);
      await Promise.all([model.generate(LONG_PROMPT), model.generate({ ...LONG_PROMPT, prompt: [2, ...LONG_PROMPT.prompt] })]);
      const loaded = status("RssAnon");
      await model.dispose();
      await settle();
      const mapped = readFileSync("/proc/self/maps", "utf8").split("\\n").filter((line) => line.includes(DIRECTORY)).length;
      console.log(JSON.stringify({ before, loaded, after: status("RssAnon"), mapped }));
    `);
    const grown = (loaded ?? 0) - (before ?? 0);
    expect(grown).toBeGreaterThan(40 * MIB);
    expect((after ?? 0) - (before ?? 0)).toBeLessThan(grown / 5);
    expect(mapped).toBe(0);
  });

  it("and the threads of a model serve the one that is loaded after it", async () => {
    const { first, last } = await figures(`
      const threads = async () => {
        const model = await loadModel(MODEL);
        await model.generate({ prompt: [1], maxTokens: 2 });
        await model.dispose();
        await settle();
        return Number(/Threads:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
      };
      const first = await threads();
      let last = first;
      for (let i = 0; i < 5; i++) last = await threads();
      console.log(JSON.stringify({ first, last }));
    `);
    expect(last).toBe(first);
  });

  it("of the same weights loaded twice is shared", async () => {
    const { privateBytes, sharedBytes, mappings } = await figures(`
      const models = [await loadModel(DIRECTORY), await loadModel(DIRECTORY)];
      for (const model of models) await model.generate({ prompt: [1, 2, 3], maxTokens: 3, ignoreEos: true });
      let [privateBytes, sharedBytes, mappings] = [0, 0, 0];
      for (const block of readFileSync("/proc/self/smaps", "utf8").split(/\\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
        if (!block.includes(DIRECTORY)) continue;
        mappings++;
        const sum = (names) => [...block.matchAll(new RegExp("^(?:" + names + "):\\\\s+(\\\\d+)", "gm"))].reduce((all, [, kb]) => all + kb * 1024, 0);
        privateBytes += sum("Private_Clean|Private_Dirty|Anonymous");
        sharedBytes += sum("Shared_Clean|Shared_Dirty"); // dirty: just written
      }
      console.log(JSON.stringify({ privateBytes, sharedBytes, mappings }));
      for (const model of models) await model.dispose();
    `);
    expect(mappings).toBe(2);
    expect(sharedBytes).toBeGreaterThan(30 * MIB);
    expect(privateBytes).toBeLessThan(MIB);
  });

  it("of caches and work space is known to the garbage collector, which comes for forgotten models by itself", async () => {
    const { stdout, stderr, exitCode } = await runProgram(
      program(`
        let warnings = 0;
        process.on("warning", () => warnings++);
        let models = 0;
        for (; models < 30 && warnings === 0; models++) {
          const model = await loadModel(DIRECTORY);
          await model.generate({ ...LONG_PROMPT, prompt: LONG_PROMPT.prompt.slice(300) });
          await settle();
        }
        console.log(models);
        process.exit(0);
      `),
      { flags: ["--no-warnings"] },
    );
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(Number(stdout)).toBeLessThan(30);
  });

  it.each(["in-process", "worker", "process"])(
    "of a model that was forgotten is given back, with a warning: %s",
    async (isolation) => {
      const { stdout, stderr, exitCode } = await runProgram(
        program(`
        const warnings = [];
        process.on("warning", ({ name, code, message }) => warnings.push({ name, code, message }));
        async function forget() {
          const model = await loadModel(DIRECTORY, { isolation: "${isolation}" });
          await model.generate({ prompt: [1, 2, 3], maxTokens: 3 });
        }
        await forget();
        while (warnings.length === 0) await settle();
        const mapped = () => readFileSync("/proc/self/maps", "utf8").includes(DIRECTORY);
        const children = () => readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").trim() !== "";
        while (mapped() || children()) await settle();
        console.log(JSON.stringify(warnings));
      `),
        { flags: ["--expose-gc", "--no-warnings"] },
      );
      expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
      const message = expect.stringContaining(`'${directory}' was forgotten without dispose()`);
      expect(JSON.parse(stdout)).toEqual([{ name: "PunieWarning", code: "PUNIE_MODEL_NOT_DISPOSED", message }]);
    },
  );

  it("of a model that was disposed of gives no warning", async () => {
    const { stdout } = await runProgram(
      program(`
        let warnings = 0;
        process.on("warning", () => warnings++);
        await (async () => (await loadModel(DIRECTORY)).dispose())();
        await settle();
        await settle();
        console.log(warnings);
      `),
      { flags: ["--expose-gc", "--no-warnings"] },
    );
    expect(stdout).toBe("0\n");
  });
});
