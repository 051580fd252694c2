/** Prompt tasks and adapters that cannot work, given to the addon itself: it trusts nobody. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openModelDirectory } from "../../src/models/model-directory.js";
import { loadBinding } from "../../src/native/binding.js";
import type { NativeAdapterLayer, NativeEvent, NativeModel, NativeTensor } from "../../src/native/binding-types.js";
import { withTemporaryDirectory } from "../helpers/golden.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const SAMPLING = {
  ...{ temperature: 0, topP: 1, topK: 0, minP: 0, repetitionPenalty: 1, repetitionContext: 0 },
  ...{ presencePenalty: 0, frequencyPenalty: 0, logitBias: [], seed: 0 },
};
const REQUEST = { prompt: Uint32Array.of(1, 2, 3), maxTokens: 0, stopIds: [], sampling: SAMPLING, logprobs: -1 };
const Q = "model.layers.0.self_attn.q_proj";

let model: NativeModel;
let hear: (event: NativeEvent) => void = () => {};
beforeAll(async () => {
  const { spec } = await openModelDirectory(TINY_MODEL);
  const onEvents = (events: NativeEvent[]) => events.forEach((event) => void hear(event));
  const options = { device: "cpu" as const, threads: 1, contextLength: 64, prefillChunk: 64 };
  model = await loadBinding().loadModel(spec, { ...options, onEvents });
});
afterAll(() => model.dispose());

test.each([
  ["promptLogprobs", -2],
  ["promptLogprobs", 1e9],
  ["pooling", "cls"],
  ["pooling", 1],
  ["scoreIds", [1280]],
  ["scoreIds", [-1]],
  ["scoreIds", "yes"],
  ["adapter", 0],
  ["adapter", "a"],
])("a request with %s %s is refused", (name, value) => {
  expect(() => model.start({ ...REQUEST, id: 1, [name]: value })).toThrow(
    expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(name) }),
  );
});

test("a request with an adapter that is not loaded is refused, and the next one runs", async () => {
  const ended = (id: number, more: object) =>
    new Promise<NativeEvent>((resolve) => {
      hear = (event) => {
        if (event.type === "finish" || event.type === "error") resolve(event);
      };
      model.start({ ...REQUEST, id, ...more });
    });
  expect(await ended(2, { adapter: 77 })).toMatchObject({ type: "error", code: "INVALID_OPTION" });
  expect(await ended(3, {})).toMatchObject({ type: "finish", reason: "length", completionTokens: 0 });
});

interface Change {
  id?: number;
  file?: { path?: string; bytes?: number };
  a?: Partial<NativeTensor>;
  b?: Partial<NativeTensor>;
  layer?: Partial<NativeAdapterLayer>;
}

const BYTES = 2048;
const A: NativeTensor = { name: "a", file: 0, dtype: "F32", shape: [128, 2], offset: 0, bytes: 1024 };
const B: NativeTensor = { name: "b", file: 0, dtype: "F32", shape: [2, 128], offset: 1024, bytes: 1024 };
const LAYER: NativeAdapterLayer = { path: Q, scale: 1, a: "a", b: "b", transposed: false };

/** Loads an adapter of rank 2 on one layer, of whose file something else may be said than is true. */
async function load({ id = 100, file, a, b, layer }: Change): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const path = join(directory, "adapter");
    await writeFile(path, Buffer.alloc(BYTES));
    const tensors = [
      { ...A, ...a },
      { ...B, ...b },
    ];
    const layers = [{ ...LAYER, ...layer }];
    await model.loadAdapter({ id, file: { path, bytes: BYTES, ...file }, tensors, layers });
  });
}

test("an adapter that is sound is loaded, and let go of", async () => {
  await load({});
  model.unloadAdapter(100);
  model.unloadAdapter(100);
});

test.each<[string, string, Change]>([
  ["a tensor beyond the file", "MODEL_CORRUPT", { b: { offset: 1028 } }],
  ["a shape that its bytes don't fill", "MODEL_CORRUPT", { a: { shape: [128, 3] } }],
  ["a file that isn't there", "MODEL_CORRUPT", { file: { path: "/absent/adapter" } }],
  ["a file that is shorter", "MODEL_CORRUPT", { file: { bytes: 2 * BYTES } }],
  ["a tensor of another file", "MODEL_CORRUPT", { a: { file: 1 } }],
  ["two tensors of a name", "MODEL_CORRUPT", { b: { name: "a" } }],
  ["a tensor that isn't there", "WEIGHTS_MISMATCH", { layer: { a: "c" } }],
  ["tensors turned", "WEIGHTS_MISMATCH", { layer: { transposed: true } }],
  ["tensors of integers", "WEIGHTS_MISMATCH", { a: { dtype: "U32" } }],
  ["a magnitude of another shape", "WEIGHTS_MISMATCH", { layer: { magnitude: "a" } }],
  ["a layer that the model lacks", "WEIGHTS_MISMATCH", { layer: { path: "model.layers.9.x" } }],
  ["ranks that differ", "WEIGHTS_MISMATCH", { a: { shape: [128, 1], bytes: 512 } }],
  ["a rank of nothing", "WEIGHTS_MISMATCH", { a: { shape: [128, 0], bytes: 0 }, b: { shape: [0, 128], bytes: 0 } }],
  ["a scale that is no number", "INVALID_OPTION", { layer: { scale: Number.NaN } }],
  ["no id", "INVALID_OPTION", { id: 0 }],
])("an adapter with %s is refused with %s", async (_, code, change) => {
  await expect(load({ id: 101, ...change })).rejects.toMatchObject({ code });
});
