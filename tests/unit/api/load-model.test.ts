import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadModelWith } from "../../../src/api/load-model.js";
import type { Model } from "../../../src/api/model.js";
import { type LoadOptions, type LoadProgress, loadModel } from "../../../src/index.js";
import { type FakeOptions, fakeNative } from "../../helpers/fake-native.js";
import { copyTinyModel, TINY_MODEL } from "../../helpers/tiny-model.js";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function open(options?: LoadOptions, fakeOptions?: FakeOptions, path = TINY_MODEL) {
  const fake = fakeNative(fakeOptions);
  const model: Model = await loadModelWith(() => fake.binding, path, options);
  cleanups.push(() => model.dispose());
  return { fake, model };
}

describe("loadModel's options", () => {
  it.each<[Record<string, unknown>, string]>([
    [{ contextLength: 0 }, "contextLength: expected an integer of at least 1, received 0."],
    [{ contextLength: 1.5 }, "contextLength: expected an integer of at least 1, received 1.5."],
    [{ threads: "2" }, "threads: expected an integer from 1 to"],
    [{ device: "gpu" }, 'device: expected one of auto, cpu, metal, cuda, received "gpu".'],
    [{ modelsDir: "" }, 'modelsDir: expected a string that is not empty, received "".'],
    [{ prefillChunk: -1 }, "prefillChunk: expected an integer from 1 to 65536, received -1."],
    [{ signal: {} }, "signal: expected an AbortSignal, received an object."],
    [{ onProgress: true }, "onProgress: expected a function, received true."],
    [{ contextlength: 5 }, "unknown option 'contextlength'"],
    [{ isolation: "thread" }, "one of in-process, worker, process"],
    [{ restart: true }, "restart: expected false without an isolated engine"],
    [{ draftModel: "x" }, "unknown option 'draftModel'"],
  ])("refuses %j", async (options, message) => {
    const loading = loadModel(TINY_MODEL, options as LoadOptions);
    await expect(loading).rejects.toMatchObject({ code: "INVALID_OPTION", message: expect.stringContaining(message) });
  });

  it("refuses a context longer than the model was trained for", async () => {
    await expect(open({ contextLength: 2049 })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("at most 2048"),
    });
  });

  it("refuses a device that this machine hasn't", async () => {
    await expect(open({ device: "metal" })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("cpu"),
    });
  });

  it("takes the best device, all physical cores and the model's own context length by default", async () => {
    const { fake, model } = await open({}, { devices: ["metal", "cpu"] });
    expect(fake.loadOptions).toMatchObject([{ device: "metal", threads: 2, contextLength: 2048 }]);
    expect(model.info).toEqual({
      path: TINY_MODEL,
      name: TINY_MODEL,
      modelType: "qwen2",
      quantization: { mode: "affine", bits: 4, groupSize: 64 },
      device: "metal",
      contextLength: 2048,
      hasTokenizer: true,
    });
  });

  it("tells its phases in order", async () => {
    const phases: LoadProgress["phase"][] = [];
    await open({ onProgress: ({ phase }) => phases.push(phase) });
    expect(phases).toEqual(["resolve", "open", "load", "ready"]);
  });
});

describe("loadModel", () => {
  it("says how to download a model that is not there, before it touches the addon, and opens no socket", async () => {
    const empty = await mkdtemp(join(tmpdir(), "punie-models-"));
    cleanups.push(() => rm(empty, { recursive: true }));
    vi.stubEnv("HF_HUB_CACHE", empty);
    const binding = vi.fn();
    const connect = vi.spyOn(Socket.prototype, "connect");
    const loading = loadModelWith(binding, "local:acme/absent", { modelsDir: empty });
    await expect(loading).rejects.toMatchObject({
      code: "MODEL_NOT_DOWNLOADED",
      model: "acme/absent",
      command: `punie download-model acme/absent --models-dir ${empty}`,
      searched: [empty, empty],
    });
    expect(binding).not.toHaveBeenCalled();
    expect(connect).not.toHaveBeenCalled();
    connect.mockRestore();
    vi.unstubAllEnvs();
  });

  it.each([
    ["WEIGHTS_MISMATCH", "WEIGHTS_MISMATCH"],
    ["OUT_OF_MEMORY", "OUT_OF_MEMORY"],
    ["E_STRANGE", "INTERNAL"],
    [undefined, "INTERNAL"],
  ])("gives the addon's error %s as %s", async (code, expected) => {
    const loadError = Object.assign(new Error("from below"), { code });
    await expect(open({}, { loadError })).rejects.toMatchObject({
      name: "PunieError",
      code: expected,
      message: `${TINY_MODEL}: from below`,
      cause: loadError,
    });
  });

  it("rejects with the signal's reason when it has aborted before", async () => {
    const reason = new Error("changed my mind");
    await expect(open({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("rejects with the signal's reason while loading, and frees what was loaded meanwhile", async () => {
    const stop = new AbortController();
    const reason = new Error("changed my mind");
    const fake = fakeNative();
    const loading = loadModelWith(() => fake.binding, TINY_MODEL, {
      signal: stop.signal,
      onProgress: ({ phase }) => phase === "load" && queueMicrotask(() => stop.abort(reason)),
    });
    await expect(loading).rejects.toBe(reason);
    await vi.waitFor(() => expect(fake.disposals).toBe(1));
  });

  it("frees the native model when the tokenizer is broken", async () => {
    const { path, remove } = await copyTinyModel(["tokenizer.json"]);
    cleanups.push(remove);
    await writeFile(join(path, "tokenizer.json"), "{");
    const fake = fakeNative();
    await expect(loadModelWith(() => fake.binding, path, {})).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    await vi.waitFor(() => expect(fake.disposals).toBe(1));
  });

  it("loads a directory without a tokenizer, which then takes and gives ids", async () => {
    const { path, remove } = await copyTinyModel(["tokenizer.json", "tokenizer_config.json"]);
    cleanups.push(remove);
    const { model } = await open({}, { answer: () => [5, 6] }, path);
    expect(model.info.hasTokenizer).toBe(false);
    const result = await model.generate({ prompt: [1, 2] });
    expect(result).toMatchObject({
      text: null,
      tokens: [
        { id: 5, text: null },
        { id: 6, text: null },
      ],
    });
    for (const attempt of [
      model.generate({ prompt: "text" }),
      model.generate({ prompt: [1], stop: "x" }),
      model.tokenize("text"),
      model.detokenize([1]),
    ]) {
      await expect(attempt).rejects.toMatchObject({ code: "MODEL_UNSUPPORTED" });
    }
  });
});
