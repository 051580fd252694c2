/** The addon, called as TypeScript never does. */
import { afterAll, describe, expect, it } from "vitest";
import { loadBinding } from "../../../src/native/binding.js";
import type { NativeTokenizer } from "../../../src/native/binding-types.js";
import { TINY_CODER } from "../../helpers/golden.js";

const opened: NativeTokenizer[] = [];

async function openTokenizer(): Promise<NativeTokenizer> {
  const loaded = await loadBinding().loadTokenizer(TINY_CODER);
  if (!loaded.served) throw new Error(loaded.reason);
  opened.push(loaded.tokenizer);
  return loaded.tokenizer;
}

afterAll(() => {
  for (const tokenizer of opened) tokenizer.dispose();
});

describe("the addon", () => {
  it("refuses a text whose getter disposes of the tokenizer that is to encode it", async () => {
    const tokenizer = await openTokenizer();
    const pieces = Object.defineProperty(["a"], 0, {
      get: () => {
        tokenizer.dispose();
        return "a";
      },
    });
    expect(() => tokenizer.encode(pieces, false, true)).toThrow(expect.objectContaining({ code: "MODEL_DISPOSED" }));
  });

  it("refuses to make its objects for who has their constructor", async () => {
    const Constructor = (await openTokenizer()).constructor as new (argument?: unknown) => unknown;
    for (const argument of [undefined, {}, 1]) {
      expect(() => new Constructor(argument)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
    }
  });

  it("refuses a table of layers that is a list, before it makes a name of each element", async () => {
    const config = { modelType: "llama", hiddenSize: 1, hiddenLayers: 1, intermediateSize: 1, attentionHeads: 1 };
    const rest = { keyValueHeads: 1, headDim: 1, vocabSize: 1, maxPositionEmbeddings: 1, rmsNormEps: 1, ropeTheta: 1 };
    const layers = new Uint8Array(2 ** 20) as never;
    const spec = { config: { ...config, ...rest }, files: [], tensors: [], quantization: { layers } } as never;
    const options = { device: "cpu", threads: 1, contextLength: 1, prefillChunk: 1, onEvents: () => {} } as const;
    await expect(loadBinding().loadModel(spec, options)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("quantization.layers"),
    });
  });
});
