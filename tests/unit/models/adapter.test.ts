import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readAdapter } from "../../../src/models/adapter.js";
import { parseAdapterConfig } from "../../../src/models/adapter-config.js";
import { safetensors } from "../../helpers/fake-model.js";

const MLX = { fine_tune_type: "lora", num_layers: 2, lora_parameters: { rank: 4, scale: 20, dropout: 0 } };
const PEFT = { peft_type: "LORA", r: 4, lora_alpha: 8, bias: "none", fan_in_fan_out: false, modules_to_save: null };
const Q = "model.layers.0.self_attn.q_proj";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "punie-adapter-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** An adapter of tensors with these shapes, all F32 zeros. */
async function write(config: unknown, shapes: Record<string, number[]>, dtype = "F32"): Promise<string> {
  const peft = typeof config === "object" && config !== null && "peft_type" in config;
  await writeFile(join(folder, "adapter_config.json"), typeof config === "string" ? config : JSON.stringify(config));
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    const bytes = Buffer.alloc(shape.reduce((product, size) => product * size, dtype === "F32" ? 4 : 2));
    return [name, { dtype, shape, bytes }] as const;
  });
  const file = peft ? "adapter_model.safetensors" : "adapters.safetensors";
  await writeFile(join(folder, file), safetensors(Object.fromEntries(tensors)));
  return folder;
}

const mlxLayer = { [`${Q}.lora_a`]: [32, 4], [`${Q}.lora_b`]: [4, 16] };
const peftLayer = {
  [`base_model.model.${Q}.lora_A.weight`]: [4, 32],
  [`base_model.model.${Q}.lora_B.weight`]: [16, 4],
};

describe("an adapter", () => {
  it("of mlx-lm has the layers that its tensors name, all of one rank and scale", async () => {
    const { layers, ...rest } = await readAdapter(await write(MLX, mlxLayer));
    const file = { path: join(folder, "adapters.safetensors"), bytes: expect.any(Number) };
    expect(rest).toEqual({ path: folder, format: "mlx-lm", dora: false, file });
    expect(layers).toEqual([
      {
        path: Q,
        rank: 4,
        scale: 20,
        a: expect.objectContaining({ name: `${Q}.lora_a`, shape: [32, 4] }),
        b: expect.objectContaining({ name: `${Q}.lora_b`, shape: [4, 16] }),
      },
    ]);
  });

  it("of experts has their matrices one upon another", async () => {
    const path = "model.layers.0.mlp.switch_mlp.up_proj";
    const shapes = { [`${path}.lora_a`]: [8, 4, 32], [`${path}.lora_b`]: [8, 16, 4] };
    expect((await readAdapter(await write(MLX, shapes))).layers).toMatchObject([{ path, rank: 4 }]);
    await write(MLX, { ...shapes, [`${path}.lora_b`]: [8, 4, 16] });
    await expect(readAdapter(folder)).rejects.toMatchObject({ code: "WEIGHTS_MISMATCH" });
  });

  it("of PEFT has lora_alpha / r for its scale, and names as several of its versions write them", async () => {
    const dora = { ...PEFT, use_dora: true };
    for (const [a, magnitude] of [
      ["lora_A.weight", "lora_magnitude_vector"],
      ["lora_A.default.weight", "lora_magnitude_vector.weight"],
      ["lora_A.default.weight", "lora_magnitude_vector.default.weight"],
    ]) {
      const base = `base_model.model.${Q}`;
      const shapes = { [`${base}.${a}`]: [4, 32], [`${base}.lora_B.weight`]: [16, 4], [`${base}.${magnitude}`]: [16] };
      const { layers, ...rest } = await readAdapter(await write(dora, shapes));
      expect(rest).toMatchObject({ format: "peft", dora: true });
      expect(layers).toMatchObject([{ path: Q, rank: 4, scale: 2, magnitude: { shape: [16] } }]);
    }
  });

  it("that is not there, or has no configuration or weights, says so", async () => {
    const says = (code: string, message: string) => ({ code, message: expect.stringContaining(message) });
    await expect(readAdapter(join(folder, "x"))).rejects.toMatchObject(says("MODEL_NOT_FOUND", "no such adapter"));
    await expect(readAdapter(folder)).rejects.toMatchObject(says("MODEL_CORRUPT", "adapter_config.json"));
    await writeFile(join(folder, "adapter_config.json"), JSON.stringify(PEFT));
    await expect(readAdapter(folder)).rejects.toMatchObject(says("MODEL_CORRUPT", "adapter_model.safetensors"));
    const file = join(folder, "adapter_config.json");
    await expect(readAdapter(file)).rejects.toMatchObject(says("MODEL_CORRUPT", "found a file"));
  });

  it.each<[string, unknown, Record<string, number[]>, string, string]>([
    ["half a layer", MLX, { [`${Q}.lora_a`]: [32, 4] }, "WEIGHTS_MISMATCH", "has no lora_b"],
    ["another rank", MLX, { ...mlxLayer, [`${Q}.lora_b`]: [8, 16] }, "WEIGHTS_MISMATCH", "not of rank 4"],
    ["PEFT's rank", { ...PEFT, r: 8 }, peftLayer, "WEIGHTS_MISMATCH", "not of rank 8"],
    ["a tensor of something else", MLX, { ...mlxLayer, "model.norm.weight": [3] }, "WEIGHTS_MISMATCH", "no part of"],
    ["PEFT's names in mlx-lm's file", MLX, peftLayer, "WEIGHTS_MISMATCH", "no part of a low-rank layer"],
    ["no magnitude", { ...MLX, fine_tune_type: "dora" }, mlxLayer, "WEIGHTS_MISMATCH", "has no magnitude"],
    ["a magnitude too many", MLX, { ...mlxLayer, [`${Q}.m`]: [16] }, "WEIGHTS_MISMATCH", "though it is no DoRA"],
    ["no layers", MLX, {}, "MODEL_CORRUPT", "no low-rank layers"],
    [
      "a tensor under two names",
      PEFT,
      { ...peftLayer, [`base_model.model.${Q}.lora_A.default.weight`]: [4, 32] },
      "WEIGHTS_MISMATCH",
      "under two names",
    ],
    [
      "embeddings",
      PEFT,
      { "base_model.model.model.embed_tokens.lora_embedding_A": [4, 32] },
      "MODEL_UNSUPPORTED",
      "lora_embedding_A",
    ],
  ])("with %s is refused", async (_, config, shapes, code, message) => {
    await write(config, shapes);
    await expect(readAdapter(folder)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it("with many faults tells five and counts the rest", async () => {
    const shapes = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`odd.${i}`, [1]]));
    await write(MLX, { ...mlxLayer, ...shapes });
    await expect(readAdapter(folder)).rejects.toMatchObject({
      message: expect.stringMatching(/odd\.4".*; and 4 more\.$/),
    });
  });
});

describe("adapter_config.json", () => {
  it("of PEFT may have its own ranks and alphas, by names or their ends, and root of the rank for a divisor", () => {
    const patterns = {
      rank_pattern: { q_proj: 16, "^model.layers.1.mlp.up_proj": 2 },
      alpha_pattern: { "self_attn.q_proj": 32, "mlp.up_proj": 4 },
    };
    const of = (config: object, path: string) => {
      const { rankOf, scaleOf } = parseAdapterConfig({ ...PEFT, ...config }, "f");
      return [rankOf(path), scaleOf(path)];
    };
    expect(of(patterns, "model.layers.0.self_attn.q_proj")).toEqual([16, 2]);
    expect(of(patterns, "model.layers.0.self_attn.k_proj")).toEqual([4, 2]);
    expect(of(patterns, "model.layers.1.mlp.up_proj")).toEqual([2, 2]);
    expect(of(patterns, "model.layers.0.mlp.up_proj")).toEqual([4, 1]);
    expect(of(patterns, "model.layers.0.not_q_proj")).toEqual([4, 2]);
    expect(of({ use_rslora: true }, "x")).toEqual([4, 4]);
  });

  it.each<[string, unknown, string, string]>([
    ["a list", [], "MODEL_CORRUPT", "expected an object"],
    ["no parameters", {}, "MODEL_CORRUPT", "lora_parameters"],
    ["an alpha for a scale", { lora_parameters: { rank: 4, alpha: 8 } }, "MODEL_CORRUPT", "lora_parameters.scale"],
    ["a rank of nothing", { lora_parameters: { rank: 0, scale: 1 } }, "MODEL_CORRUPT", "lora_parameters.rank"],
    ["a full fine-tune", { ...MLX, fine_tune_type: "full" }, "MODEL_UNSUPPORTED", 'fine_tune_type "full"'],
    ["another method", { ...PEFT, peft_type: "IA3" }, "MODEL_UNSUPPORTED", 'peft_type "IA3"'],
    ["a trained bias", { ...PEFT, bias: "all" }, "MODEL_UNSUPPORTED", "bias"],
    ["whole modules", { ...PEFT, modules_to_save: ["lm_head"] }, "MODEL_UNSUPPORTED", "modules_to_save"],
    ["turned weights", { ...PEFT, fan_in_fan_out: true }, "MODEL_UNSUPPORTED", "fan_in_fan_out"],
    ["a changed base model", { ...PEFT, init_lora_weights: "pissa_niter_4" }, "MODEL_UNSUPPORTED", "pissa"],
    ["a regular expression", { ...PEFT, rank_pattern: { "(a+)+$": 2 } }, "MODEL_UNSUPPORTED", "rank_pattern"],
    ["a rank that is text", { ...PEFT, r: "4" }, "MODEL_CORRUPT", "r: expected a whole number"],
  ])("with %s is refused", (_, config, code, message) => {
    let thrown: unknown;
    try {
      parseAdapterConfig(config, "adapter_config.json");
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code, message: expect.stringContaining(message) });
  });
});
