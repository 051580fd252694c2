import { stat } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import type { NativeModelConfig, NativeModelSpec, NativeTensor } from "../native/binding-types.js";
import { MAX_CONFIG_BYTES, parseConfig } from "./config.js";
import { isHeadless, withModelPrefix } from "./embedding-model.js";
import {
  type GenerationDefaults,
  MAX_GENERATION_CONFIG_BYTES,
  readEosTokenIds,
  readGenerationDefaults,
} from "./generation-config.js";
import { readJsonFile } from "./json-file.js";
import { matchQuantization } from "./match-quantization.js";
import type { QuantizationTable } from "./quantization-config.js";
import { isAbsent } from "./system-error.js";
import { readWeights } from "./weights.js";

/** A model directory, read and checked as far as it can be without its weights' values and its tokenizer. */
export interface ModelDirectory {
  /** The directory. */
  path: string;
  modelType: string;
  config: NativeModelConfig;
  /** Absent when the weights are not quantized. */
  quantization?: QuantizationTable;
  /** What the addon loads. */
  spec: NativeModelSpec;
  /** Bytes of all tensors. */
  weightBytes: number;
  /** Ids that end a text, of config.json and generation_config.json. May be empty: the tokenizer may know one. */
  eosTokenIds: number[];
  generationDefaults: GenerationDefaults;
}

/**
 * Reads config.json, generation_config.json and the headers of the weights.
 *
 * @param path A directory, as `resolveModel` gives it.
 * @throws PunieError `MODEL_CORRUPT` or `MODEL_UNSUPPORTED`, naming file and cause; `MODEL_NOT_FOUND` when there is no
 * such directory.
 */
export async function openModelDirectory(path: string): Promise<ModelDirectory> {
  await requireDirectory(path);
  const configFile = join(path, "config.json");
  const configJson = await readJsonFile(configFile, MAX_CONFIG_BYTES);
  if (configJson === undefined) throw new PunieError("MODEL_CORRUPT", `${configFile}: the file is missing.`);
  const { config, quantization: stated } = parseConfig(configJson, configFile);

  const generationFile = join(path, "generation_config.json");
  const generationJson = await readJsonFile(generationFile, MAX_GENERATION_CONFIG_BYTES);

  const weights = await readWeights(path);
  const named = withModelPrefix({ tensors: weights.tensors, quantization: stated });
  const tensors = named.tensors.filter((tensor) => !isUnused(tensor, config));
  if (!config.tieWordEmbeddings && (await isHeadless(path, tensors, named.tensors !== weights.tensors))) {
    config.headless = true;
  }
  const quantization = matchQuantization(named.quantization, tensors, configFile);
  return {
    path,
    modelType: config.modelType,
    config,
    ...(quantization && { quantization }),
    spec: { config, files: weights.files, tensors, ...(quantization && { quantization }) },
    weightBytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    eosTokenIds: readEosTokenIds([
      { json: configJson, file: configFile },
      { json: generationJson, file: generationFile },
    ]),
    generationDefaults: readGenerationDefaults(generationJson, generationFile),
  };
}

/** A vision part, and layers that predict several tokens at once. */
const NOT_FOR_TEXT = /^vision_tower|^model\.visual|(^|\.)mtp\./;
const TIED_HEADS = ["lm_head.weight", "language_model.lm_head.weight"];

/** What mlx-lm's `sanitize` drops: it may stand in a file and no layer is to be made of it. */
function isUnused(tensor: NativeTensor, config: NativeModelConfig): boolean {
  if (tensor.name.includes("self_attn.rotary_emb.inv_freq")) return true;
  if (config.linearAttention && NOT_FOR_TEXT.test(tensor.name)) return true;
  return config.tieWordEmbeddings && TIED_HEADS.includes(tensor.name);
}

async function requireDirectory(path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) return;
  } catch (cause) {
    if (isAbsent(cause)) throw new PunieError("MODEL_NOT_FOUND", `${path}: there is no such directory.`, { cause });
    throw new PunieError("MODEL_CORRUPT", `${path}: can't be read (${(cause as Error).message}).`, { cause });
  }
  throw new PunieError("MODEL_CORRUPT", `${path}: expected a model directory, found a file.`);
}
