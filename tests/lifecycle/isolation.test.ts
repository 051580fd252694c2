import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { EngineCrashedError, type GenerateRequest, loadModel, type Model } from "../../src/index.js";
import { childrenOf, lastChild, TELLS_CHILDREN, untilGone } from "../helpers/child-processes.js";
import { weightsWith } from "../helpers/random-model-damage.js";
import { runProgram, startProgram } from "../helpers/run-program.js";
import { finished, untilWritten } from "../helpers/run-punie.js";
import { temporaryDirectory } from "../helpers/temporary-directory.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const GREEDY = { prompt: [1, 2, 3], ignoreEos: true, maxTokens: 200 };
const SAMPLED = { ...GREEDY, temperature: 1, seed: 5 };
const LONG = { prompt: [1, 2, 3], ignoreEos: true, maxTokens: 2000 };

const models: Model[] = [];
afterEach(async () => {
  for (const model of models.splice(0)) await model.dispose();
});

async function open(options: Parameters<typeof loadModel>[1]): Promise<Model> {
  const model = await loadModel(TINY_MODEL, options);
  models.push(model);
  return model;
}

const idsOf = ({ tokens }: { tokens: { id: number }[] }) => tokens.map(({ id }) => id);

describe.each(["worker", "process"] as const)("isolation: %s", (isolation) => {
  it("gives the same answers as in process, also side by side", async () => {
    const [isolated, inProcess] = [await open({ isolation }), await open({})];
    const answers = (model: Model) =>
      Promise.all([model.generate(GREEDY), model.generate(SAMPLED), model.generate({ prompt: "def add(" })]);
    const [expected, found] = [await answers(inProcess), await answers(isolated)];
    expect(found.map(idsOf)).toEqual(expected.map(idsOf));
    expect(found.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    expect(isolated.memory()).toMatchObject({ modelBytes: inProcess.memory().modelBytes });
  });

  it("stops by a signal with its reason, and the model stays usable", async () => {
    const model = await open({ isolation });
    const stop = new AbortController();
    const reason = new Error("enough");
    const reading = (async () => {
      for await (const _ of model.stream({ ...LONG, signal: stop.signal })) stop.abort(reason);
    })();
    await expect(reading).rejects.toBe(reason);
    expect((await model.generate({ ...GREEDY, maxTokens: 3 })).tokens).toHaveLength(3);
  });

  it("waits for work in flight when it is disposed of, and refuses more", async () => {
    const model = await open({ isolation });
    const generating = model.generate(GREEDY);
    await model.dispose();
    expect((await generating).tokens).toHaveLength(200);
    await expect(model.generate(GREEDY)).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
  });

  it("tells the engine's errors of loading", async () => {
    await expect(loadModel(TINY_MODEL, { isolation, device: "metal" })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("cpu"),
    });
    const parent = await mkdtemp(join(tmpdir(), "punie-isolated-"));
    try {
      const directory = join(parent, "model");
      await weightsWith((tensors) => tensors.slice(1))(directory);
      await expect(loadModel(directory, { isolation })).rejects.toMatchObject({ code: "WEIGHTS_MISMATCH" });
    } finally {
      await rm(parent, { recursive: true, force: true });
    }
  });

  it("stops loading by a signal", async () => {
    const stop = new AbortController();
    const onProgress = ({ phase }: { phase: string }) => {
      if (phase === "load") setTimeout(() => stop.abort(new Error("enough")), 5);
    };
    await expect(loadModel(TINY_MODEL, { isolation, signal: stop.signal, onProgress })).rejects.toThrow("enough");
  });

  it("does not keep a process alive, and prints nothing", async () => {
    const run = await runProgram(`
      const model = await loadModel(MODEL, { isolation: "${isolation}" });
      const { tokens } = await model.generate({ prompt: [1, 2, 3], maxTokens: 5, ignoreEos: true });
      console.log(tokens.length);
    `);
    expect(run).toEqual({ stdout: "5\n", stderr: "", exitCode: 0 });
  });
});

describe.skipIf(!TELLS_CHILDREN)("isolation: process, a crash of the engine", () => {
  /** Reads a stream to its end or failure, and has the engine crash after each of these numbers of tokens. */
  async function readThroughCrashes(model: Model, request: GenerateRequest, crashes: readonly number[]) {
    const ids: number[] = [];
    const left = [...crashes];
    for await (const part of model.stream({ ...request, logprobs: 0 })) {
      if ("tokens" in part) ids.push(...(part.tokens ?? []).map(({ id }) => id));
      if (ids.length < (left[0] ?? Number.POSITIVE_INFINITY)) continue;
      left.shift();
      process.kill(lastChild(), "SIGSEGV");
    }
    return ids;
  }

  it("is an error with the tokens and the text so far, and every later request is refused", async () => {
    const model = await open({ isolation: "process" });
    const whole = await model.generate(LONG);
    const error = await readThroughCrashes(model, LONG, [50]).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(EngineCrashedError);
    const { code, message, tokens, text, promptTokens } = error as EngineCrashedError;
    expect({ code, promptTokens }).toEqual({ code: "ENGINE_CRASHED", promptTokens: [1, 2, 3] });
    expect(message).toMatch(/tiny-coder-4bit: the engine's process was ended by SIGSEGV/);
    expect(tokens.length).toBeGreaterThanOrEqual(50);
    expect(tokens).toEqual(idsOf(whole).slice(0, tokens.length));
    expect(whole.text?.startsWith(text ?? "missing")).toBe(true);
    await expect(model.generate(GREEDY)).rejects.toMatchObject({ code: "ENGINE_CRASHED" });
  });

  it.each([
    ["greedy", GREEDY],
    ["with a seed", SAMPLED],
  ])("with restart, is not seen in the stream: %s", async (_, request) => {
    const model = await open({ isolation: "process", restart: true });
    const whole = await model.generate(request);
    expect(await readThroughCrashes(model, request, [30, 100, 101])).toEqual(idsOf(whole));
  });

  it("with restart, is not seen by any of several requests", async () => {
    const model = await open({ isolation: "process", restart: true });
    const requests = [1, 2, 3].map((seed) => ({ ...SAMPLED, seed, prompt: [seed, 5, 6] }));
    const expected = [];
    for (const request of requests) expected.push(idsOf(await model.generate(request)));
    const answers = requests.map((request) => model.generate(request));
    await readThroughCrashes(model, GREEDY, [60]);
    expect((await Promise.all(answers)).map(idsOf)).toEqual(expected);
  });

  it("while it is idle, with restart, is not seen by the next request", async () => {
    const model = await open({ isolation: "process", restart: true });
    const before = await model.generate(GREEDY);
    const engine = lastChild();
    process.kill(engine, "SIGKILL");
    await untilGone(engine);
    expect(idsOf(await model.generate(GREEDY))).toEqual(idsOf(before));
  });

  it("while it loads is an error", async () => {
    const before = new Set(childrenOf(process.pid));
    const loading = loadModel(TINY_MODEL, { isolation: "process", restart: true });
    const crash = setInterval(() => {
      for (const pid of childrenOf(process.pid)) if (!before.has(pid)) process.kill(pid, "SIGSEGV");
    }, 1);
    await expect(loading).rejects.toMatchObject({
      code: "ENGINE_CRASHED",
      message: expect.stringContaining("while it loaded the model"),
    });
    clearInterval(crash);
  });
});

describe.skipIf(!TELLS_CHILDREN)("isolation: process, its owner", () => {
  const OWNER = `
    const model = await loadModel(MODEL, { isolation: "process" });
    const answering = model.generate(LONG);
  `;

  it.each(["SIGKILL", "SIGTERM"] as const)("that dies of %s takes the engine along", async (signal) => {
    const owner = startProgram(`${OWNER}
      for await (const part of model.stream(LONG)) console.log("generating");
    `);
    const ended = finished(owner);
    await untilWritten(owner, /generating/);
    const engines = childrenOf(owner.pid ?? 0);
    expect(engines).toHaveLength(1);
    owner.kill(signal);
    await ended;
    for (const pid of engines) await untilGone(pid);
  });

  it("that ends by process.exit takes the engine along", async () => {
    const run = await runProgram(`${OWNER}
      import { readFileSync } from "node:fs";
      console.log(readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").trim());
      process.exit(7);
    `);
    expect(run).toMatchObject({ stderr: "", exitCode: 7 });
    await untilGone(Number(run.stdout));
  });

  it("decides what Ctrl-C means, though the engine gets it too", async () => {
    const owner = startProgram(
      `${OWNER}
      process.on("SIGINT", async () => {
        const { tokens } = await answering;
        console.log(tokens.length);
        await model.dispose();
        process.exit(0);
      });
      console.log("ready");
    `,
      { detached: true },
    );
    const ended = finished(owner);
    await untilWritten(owner, /ready/);
    process.kill(-(owner.pid ?? 0), "SIGINT");
    expect(await ended).toMatchObject({ stdout: "ready\n2045\n", stderr: "", exitCode: 0 });
  });

  it("sees nothing of what the engine's process prints", async () => {
    const preload = join(await temporaryDirectory("noise"), "noise.cjs");
    await writeFile(preload, `if (process.send) { console.log("noise"); console.error("noise"); }`);
    const run = await runProgram(
      `const model = await loadModel(MODEL, { isolation: "process" });
       await model.generate({ prompt: [1], maxTokens: 2 });
       await model.dispose();
       console.log("done");`,
      { env: { ...process.env, NODE_OPTIONS: `--require ${preload}` } },
    );
    expect(run).toEqual({ stdout: "done\n", stderr: "", exitCode: 0 });
  });
});
