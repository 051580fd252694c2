/** A LoRA or DoRA adapter's directory, read and checked as far as it can be without a model. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import type { NativeAdapterSpec } from "../native/binding-types.js";
import { type AdapterConfig, type AdapterFormat, parseAdapterConfig } from "./adapter-config.js";
import { readJsonFile } from "./json-file.js";
import { readSafetensorsHeader, type SafetensorsTensor } from "./safetensors-header.js";
import { describe } from "./schema-error.js";
import { isAbsent } from "./system-error.js";
import { unsupported } from "./unsupported.js";

const CONFIG_FILE = "adapter_config.json";
const WEIGHTS_FILE: Record<AdapterFormat, string> = {
  "mlx-lm": "adapters.safetensors",
  peft: "adapter_model.safetensors",
};
const MAX_CONFIG_BYTES = 1024 * 1024;
/** Of problems in one message. */
const MOST_TOLD = 5;

/** What an adapter adds to one linear layer, or to a layer's experts. */
export interface AdapterLayer {
  /** Module path in the model, such as `model.layers.0.self_attn.q_proj`. */
  path: string;
  rank: number;
  /** What the product `(x A) B` is multiplied by. */
  scale: number;
  /** mlx-lm: [inputs, rank]; of experts [experts, rank, inputs]. PEFT: [rank, inputs]. */
  a: SafetensorsTensor;
  /** mlx-lm: [rank, outputs]; of experts [experts, outputs, rank]. PEFT: [outputs, rank]. */
  b: SafetensorsTensor;
  /** DoRA: [outputs]; the weight's rows are brought to it, W' = magnitude * (W + A B) / |W + A B|. */
  magnitude?: SafetensorsTensor;
}

export interface AdapterDirectory {
  path: string;
  format: AdapterFormat;
  dora: boolean;
  file: { path: string; bytes: number };
  layers: AdapterLayer[];
}

/**
 * Reads adapter_config.json and the header of the weights.
 *
 * @param path A directory as mlx-lm (adapters.safetensors) or PEFT (adapter_model.safetensors) writes it.
 * @throws PunieError `MODEL_NOT_FOUND` when there is no such directory; `MODEL_CORRUPT` or `MODEL_UNSUPPORTED`, naming
 * file and cause; `WEIGHTS_MISMATCH` when the tensors don't fit the configuration.
 */
export async function readAdapter(path: string): Promise<AdapterDirectory> {
  await requireDirectory(path);
  const configFile = join(path, CONFIG_FILE);
  const json = await readJsonFile(configFile, MAX_CONFIG_BYTES);
  if (json === undefined) throw new PunieError("MODEL_CORRUPT", `${configFile}: the file is missing.`);
  const config = parseAdapterConfig(json, configFile);
  const file = join(path, WEIGHTS_FILE[config.format]);
  const header = await readSafetensorsHeader(file);
  return {
    path,
    format: config.format,
    dora: config.dora,
    file: { path: file, bytes: header.fileBytes },
    layers: layersOf(header.tensors, config, file),
  };
}

/** What the addon loads. */
export function adapterSpec({ file, format, layers }: AdapterDirectory, id: number): NativeAdapterSpec {
  const tensors = layers.flatMap(({ a, b, magnitude }) => (magnitude ? [a, b, magnitude] : [a, b]));
  return {
    id,
    file,
    tensors: tensors.map((tensor) => ({ ...tensor, file: 0 })),
    layers: layers.map(({ path, scale, a, b, magnitude }) => ({
      path,
      scale,
      a: a.name,
      b: b.name,
      ...(magnitude && { magnitude: magnitude.name }),
      transposed: format === "peft",
    })),
  };
}

type Role = "a" | "b" | "magnitude";
type Parts = Partial<Record<Role, SafetensorsTensor>>;

function layersOf(tensors: readonly SafetensorsTensor[], config: AdapterConfig, file: string): AdapterLayer[] {
  const layers = new Map<string, Parts>();
  const problems: string[] = [];
  for (const tensor of tensors) {
    const place = placeOf(tensor.name, config.format);
    if (place === undefined) {
      if (/lora_embedding/.test(tensor.name))
        throw unsupported(file, `tensor ${describe(tensor.name)}`, "linear layers");
      problems.push(`${describe(tensor.name)} is no part of a low-rank layer`);
      continue;
    }
    const parts = layers.get(place.path) ?? {};
    if (parts[place.role]) problems.push(`${describe(tensor.name)} stands there under two names`);
    parts[place.role] = tensor;
    layers.set(place.path, parts);
  }
  const read = [...layers].flatMap(([path, parts]) => readLayer(path, parts, config, problems) ?? []);
  if (problems.length > 0) {
    const more = problems.length > MOST_TOLD ? `; and ${problems.length - MOST_TOLD} more` : "";
    throw new PunieError("WEIGHTS_MISMATCH", `${file}: ${problems.slice(0, MOST_TOLD).join("; ")}${more}.`);
  }
  if (read.length === 0) throw new PunieError("MODEL_CORRUPT", `${file}: no low-rank layers.`);
  return read;
}

const MLX_NAME = /^(.+)\.(lora_a|lora_b|m)$/;
/** The adapter's own name may stand before `.weight`, and DoRA's vector has none. */
const PEFT_NAME = /^base_model\.model\.(.+)\.(lora_A|lora_B|lora_magnitude_vector)(?:\.default)?(?:\.weight)?$/;
const ROLES: Record<string, Role> = {
  lora_a: "a",
  lora_A: "a",
  lora_b: "b",
  lora_B: "b",
  m: "magnitude",
  lora_magnitude_vector: "magnitude",
};

function placeOf(name: string, format: AdapterFormat): { path: string; role: Role } | undefined {
  const match = (format === "peft" ? PEFT_NAME : MLX_NAME).exec(name);
  const role = ROLES[match?.[2] ?? ""];
  return match?.[1] !== undefined && role !== undefined ? { path: match[1], role } : undefined;
}

function readLayer(path: string, parts: Parts, config: AdapterConfig, problems: string[]): AdapterLayer | undefined {
  const { a, b, magnitude } = parts;
  const [nameA, nameB] = config.format === "peft" ? ["lora_A", "lora_B"] : ["lora_a", "lora_b"];
  const before = problems.length;
  if (!a) problems.push(`${describe(path)} has no ${nameA}`);
  if (!b) problems.push(`${describe(path)} has no ${nameB}`);
  if (config.dora && !magnitude) problems.push(`${describe(path)} has no magnitude, which DoRA needs`);
  if (!config.dora && magnitude) problems.push(`${describe(path)} has a magnitude, though it is no DoRA`);
  if (!a || !b || problems.length > before) return undefined;

  const rank = config.rankOf(path);
  // mlx-lm's adapters of experts have their matrices one upon another, turned as PEFT has them.
  const experts = config.format === "mlx-lm" && a.shape.length === 3;
  const dimensions = experts ? 3 : 2;
  const [axisA, axisB] = experts ? [1, 2] : config.format === "peft" ? [0, 1] : [1, 0];
  const fits = (shape: number[], axis: number) => shape.length === dimensions && shape[axis] === rank;
  if (!fits(a.shape, axisA) || !fits(b.shape, axisB)) {
    const shapes = `[${a.shape.join(", ")}] and [${b.shape.join(", ")}]`;
    problems.push(`${describe(path)} has shapes ${shapes}, which is not of rank ${rank}`);
  }
  if (problems.length > before) return undefined;
  return { path, rank, scale: config.scaleOf(path), a, b, ...(magnitude && { magnitude }) };
}

async function requireDirectory(path: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) return;
  } catch (cause) {
    if (isAbsent(cause)) throw new PunieError("MODEL_NOT_FOUND", `${path}: there is no such adapter.`, { cause });
    throw new PunieError("MODEL_CORRUPT", `${path}: can't be read (${(cause as Error).message}).`, { cause });
  }
  throw new PunieError("MODEL_CORRUPT", `${path}: expected an adapter's directory, found a file.`);
}
