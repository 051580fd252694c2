import { describe, expect, it } from "vitest";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { bytesReadPerToken, positionBytes, stateBytes } from "../../../src/models/model-size.js";
import { loadBinding } from "../../../src/native/binding.js";
import type { NativeEvent, NativeModelConfig } from "../../../src/native/binding-types.js";
import { readGolden, withTemporaryDirectory } from "../../helpers/golden.js";
import { GREEDY } from "../../helpers/golden-native.js";
import { type RandomModelSpec, writeRandomModel } from "../../helpers/random-model.js";

const { cases } = readGolden<{ cases: RandomModelSpec[] }>("random-models");
/** One of each way to remember. */
const remembering = ["llama", "qwen3", "qwen3_moe", "qwen3_next", "qwen3_5"].flatMap(
  (type) => cases.find(({ config }) => config.model_type === type) ?? [],
);
/** A cache grows by as much. */
const POSITIONS = 256;

describe("the size of a cache", () => {
  it.each(remembering.map((spec) => [spec.name, spec] as const))("is what the engine takes: %s", async (_, spec) => {
    await withTemporaryDirectory(async (directory) => {
      const { spec: loaded, config } = await openModelDirectory(await writeRandomModel(spec, `${directory}/model`));
      let finish = (_: NativeEvent) => {};
      const finished = new Promise<NativeEvent>((resolve) => {
        finish = resolve;
      });
      let largest = 0;
      const model = await loadBinding().loadModel(loaded, {
        device: "cpu",
        threads: 2,
        contextLength: 512,
        prefillChunk: 512,
        onEvents: (events) => {
          largest = Math.max(largest, model.memory().cacheBytes);
          for (const event of events) if (event.type === "finish" || event.type === "error") finish(event);
        },
      });
      model.start({
        id: 1,
        prompt: Uint32Array.from({ length: POSITIONS - 8 }, (_, i) => 3 + (i % 50)),
        maxTokens: 6,
        stopIds: [],
        logprobs: -1,
        sampling: GREEDY,
      });
      expect(await finished).toMatchObject({ type: "finish" });
      await model.dispose();
      expect(largest).toBe(positionBytes(config) * POSITIONS + stateBytes(config));
    });
  });
});

describe("what a token reads", () => {
  const config = (more: Partial<NativeModelConfig>) => ({ tieWordEmbeddings: true, ...more }) as NativeModelConfig;
  const tensor = (name: string, bytes: number) => ({
    name,
    bytes,
    file: 0,
    dtype: "U32" as const,
    shape: [],
    offset: 0,
  });
  const tensors = [
    tensor("model.embed_tokens.weight", 1000),
    tensor("lm_head.weight", 500),
    tensor("model.layers.0.mlp.switch_mlp.up_proj.weight", 800),
    tensor("model.layers.0.mlp.shared_expert.up_proj.weight", 30),
  ];

  it("is all weights, but of an embedding that is no head too", () => {
    expect(bytesReadPerToken(config({}), tensors)).toBe(2330);
    expect(bytesReadPerToken(config({ tieWordEmbeddings: false }), tensors)).toBe(1330);
  });

  it("is of experts the share that is chosen, and all of a shared one", () => {
    const experts = { count: 8, perToken: 2 } as NativeModelConfig["experts"] & object;
    expect(bytesReadPerToken(config({ experts }), tensors)).toBe(1000 + 500 + 200 + 30);
  });
});
