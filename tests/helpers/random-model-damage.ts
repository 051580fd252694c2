/** Model directories that are damaged in one way each. */
import { cp, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TINY_CODER } from "./golden.js";
import { type RandomModelSpec, tensorsOf, writeRandomModel } from "./random-model.js";
import { type Header, headerOf, type RawTensor, writeSafetensors } from "./random-model-file.js";

/** One layer, quantized, without a tokenizer: the least there is to damage. */
export const SMALL: RandomModelSpec = {
  name: "small",
  seed: 1,
  dtype: "BF16",
  config: {
    model_type: "llama",
    hidden_size: 64,
    num_hidden_layers: 1,
    intermediate_size: 64,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    vocab_size: 64,
    rms_norm_eps: 1e-5,
    max_position_embeddings: 128,
    tie_word_embeddings: true,
    quantization: { group_size: 64, bits: 4 },
  },
  plan: [
    ["matrix", "model.embed_tokens", 64, 64, 2],
    ["norm", "model.layers.0.input_layernorm.weight", 64],
    ["matrix", "model.layers.0.self_attn.q_proj", 64, 64, 1],
    ["matrix", "model.layers.0.self_attn.k_proj", 32, 64, 1],
    ["matrix", "model.layers.0.self_attn.v_proj", 32, 64, 1],
    ["matrix", "model.layers.0.self_attn.o_proj", 64, 64, 3],
    ["matrix", "model.layers.0.mlp.gate_proj", 64, 64, 1],
    ["matrix", "model.layers.0.mlp.up_proj", 64, 64, 1],
    ["matrix", "model.layers.0.mlp.down_proj", 64, 64, 3],
    ["norm", "model.layers.0.post_attention_layernorm.weight", 64],
    ["norm", "model.norm.weight", 64],
  ],
};

/** Makes a directory that does not load; gets one that does not exist yet. */
export type Damage = (directory: string) => Promise<void>;

type Config = Record<string, unknown>;

/** A sound model whose config.json is then replaced by this text. */
export function configText(text: string): Damage {
  return async (directory) => {
    await writeRandomModel(SMALL, directory);
    await writeFile(join(directory, "config.json"), text);
  };
}

/** A sound model with these keys of config.json replaced; undefined removes one. */
export function configWith(changes: Config): Damage {
  return configText(JSON.stringify({ ...SMALL.config, ...changes }));
}

/** A sound model with its tensors replaced, and the header that says so or another one. */
export function weightsWith(
  change: (tensors: RawTensor[]) => RawTensor[],
  lie?: (header: Header) => Header,
  spec: RandomModelSpec = SMALL,
): Damage {
  return async (directory) => {
    await writeRandomModel(spec, directory);
    const tensors = change(tensorsOf(spec));
    const header = headerOf(tensors);
    await writeSafetensors(join(directory, "model.safetensors"), tensors, 0, lie ? lie(header) : header);
  };
}

/** The same with other quantization. */
export function smallIn(mode: "mxfp4" | "mxfp8" | "nvfp4"): RandomModelSpec {
  const quantization = { mode, bits: mode === "mxfp8" ? 8 : 4, group_size: mode === "nvfp4" ? 16 : 32 };
  return { ...SMALL, config: { ...SMALL.config, quantization } };
}

export const unchanged = (tensors: RawTensor[]): RawTensor[] => tensors;

/** The tensors with one of them replaced. */
export function replacing(name: string, change: (tensor: RawTensor) => RawTensor) {
  return (tensors: RawTensor[]): RawTensor[] =>
    tensors.map((tensor) => (tensor.name === name ? change(tensor) : tensor));
}

/** The header with one tensor's entry replaced in part. */
export function entryWith(name: string, changes: Header[string]) {
  return (header: Header): Header => ({ ...header, [name]: { ...header[name], ...changes } });
}

/** The weights file with its first bytes, its length or all of it changed. */
export function fileWith(change: (bytes: Buffer) => Buffer): Damage {
  return async (directory) => {
    await writeRandomModel(SMALL, directory);
    const path = join(directory, "model.safetensors");
    await writeFile(path, change(await readFile(path)));
  };
}

export function cutTo(bytes: number): Damage {
  return async (directory) => {
    await writeRandomModel(SMALL, directory);
    await truncate(join(directory, "model.safetensors"), bytes);
  };
}

/** A file that begins with this header length. */
export function headerLength(length: bigint): Damage {
  return fileWith((bytes) => {
    bytes.writeBigUInt64LE(length);
    return bytes;
  });
}

/** The tiny model with one of its files replaced. */
export function tinyWith(file: string, change: (text: string) => string): Damage {
  return async (directory) => {
    await cp(TINY_CODER, directory, { recursive: true });
    const path = join(directory, file);
    await writeFile(path, change(await readFile(path, "utf8")));
  };
}

/** The tiny model with another chat template. */
export function templateWith(template: string | undefined): Damage {
  return tinyWith("tokenizer_config.json", (text) => JSON.stringify({ ...JSON.parse(text), chat_template: template }));
}
