/** The addon, called as TypeScript never does. */
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadModel } from "../../../src/index.js";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { loadBinding } from "../../../src/native/binding.js";
import type { NativeTokenizer } from "../../../src/native/binding-types.js";
import { TINY_CODER, withTemporaryDirectory } from "../../helpers/golden.js";
import { writeRandomModel } from "../../helpers/random-model.js";
import { SMALL } from "../../helpers/random-model-damage.js";

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

  it("takes the largest end token that a config.json may name", async () => {
    await withTemporaryDirectory(async (parent) => {
      const config = { ...SMALL.config, eos_token_id: 2 ** 31 - 1 };
      await using model = await loadModel(await writeRandomModel({ ...SMALL, config }, join(parent, "model")));
      expect((await model.generate({ prompt: [1, 2, 3], maxTokens: 2 })).tokens).toHaveLength(2);
    });
  });

  it("refuses a table of layers that is a list, before it makes a name of each element", async () => {
    const { spec: sound } = await openModelDirectory(TINY_CODER);
    const layers = new Uint8Array(2 ** 20) as never;
    const spec = { ...sound, quantization: { layers } } as never;
    const options = { device: "cpu", threads: 1, contextLength: 1, prefillChunk: 1, onEvents: () => {} } as const;
    await expect(loadBinding().loadModel(spec, options)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("quantization.layers"),
    });
  });
});
