/** An AWQ or GPTQ checkpoint → the weights and config.json of an MLX model, without loss. */
import { constants } from "node:fs";
import { type FileHandle, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { PunieError } from "../../errors.js";
import { MAX_CONFIG_BYTES } from "../../models/config.js";
import { readJsonFile } from "../../models/json-file.js";
import { unsupported } from "../../models/unsupported.js";
import { readWeights } from "../../models/weights.js";
import type { NativeTensor } from "../../native/binding-types.js";
import { SafetensorsWriter, type TensorToWrite, tensorBytes, type WritableDtype } from "../safetensors-writer.js";
import { type PackedConfig, readPackedConfig } from "./packed-config.js";
import { mismatch, type PackedModule, packedModules, readTensor, toFloats } from "./packed-tensors.js";
import { inputOrder, type PackedMatrix, repackRows, repackScales, zeroPoints } from "./repack.js";

const WEIGHTS_FILE = "model.safetensors";
/** Outputs that are unpacked at a time: the event loop waits some milliseconds. */
const CHUNK_ROWS = 256;
/** What is copied at a time of tensors that stay as they are. */
const CHUNK_BYTES = 16 << 20;
const WRITABLE: readonly string[] = ["F32", "F16", "BF16"] satisfies WritableDtype[];

export interface PackedImportOptions {
  signal?: AbortSignal | undefined;
  /** Bytes of tensors written so far, and in all. */
  onProgress?: ((progress: { tensor: string; writtenBytes: number; totalBytes: number }) => void) | undefined;
}

export interface PackedImportResult {
  method: "awq" | "gptq";
  bits: number;
  /** Of most modules. */
  groupSize: number;
  /** Modules that were packed. */
  modules: number;
  parameters: number;
  /** Bytes of all tensors. */
  weightBytes: number;
  /** Size of the weights file. */
  bytes: number;
}

/**
 * Writes model.safetensors and config.json into `output`, a directory that is there. Tokenizer and other files are the
 * caller's. Memory stays within some of the checkpoint's tensors.
 *
 * Scales and biases are float32, in which a zero point times a scale is exact. Where GPTQ went through the inputs in
 * an order of its own (`desc_act`), a module's columns are stored in that order, and `.input_order` beside them says
 * which input each belongs to: no other program knows it.
 *
 * @throws PunieError `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`, `WEIGHTS_MISMATCH`; the signal's reason when it aborts.
 */
export async function importPackedCheckpoint(
  directory: string,
  output: string,
  options: PackedImportOptions = {},
): Promise<PackedImportResult> {
  const configFile = join(directory, "config.json");
  const config = (await readJsonFile(configFile, MAX_CONFIG_BYTES)) as Record<string, unknown> | undefined;
  if (config === undefined) throw new PunieError("MODEL_CORRUPT", `${configFile}: the file is missing.`);
  const packed = readPackedConfig(config, configFile);
  const weights = await readWeights(directory);
  const { modules, others } = packedModules(weights, packed, directory);
  const odd = others.find(({ dtype }) => !WRITABLE.includes(dtype));
  if (odd) throw unsupported(directory, `'${odd.name}' of dtype ${odd.dtype}`, WRITABLE.join(" "));

  const files: FileHandle[] = [];
  try {
    for (const { path } of weights.files) files.push(await open(path, constants.O_RDONLY));
    const kept = await withoutEmptyBiases(others, modules, config, files);
    const ordered = await modulesInOrder(modules, files, directory);
    const written = await writeWeights(join(output, WEIGHTS_FILE), ordered, kept, packed, files, options);
    await writeFile(join(output, "config.json"), `${JSON.stringify(newConfig(config, packed, ordered), null, 4)}\n`);
    const { method, bits } = packed;
    return { method, bits, groupSize: usualGroupSize(modules), modules: modules.length, ...written };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

interface OrderedModule extends PackedModule {
  order: Uint32Array | undefined;
}

async function modulesInOrder(modules: PackedModule[], files: FileHandle[], place: string): Promise<OrderedModule[]> {
  const ordered: OrderedModule[] = [];
  for (const module of modules) {
    let order: Uint32Array | undefined | null;
    if (module.groupOfInput !== undefined) {
      const bytes = await readTensor(files, module.groupOfInput);
      order = inputOrder(new Int32Array(bytes.buffer), module.groups);
    }
    if (order === null) throw mismatch(place, `'${module.path}.g_idx' does not deal the inputs out in equal groups`);
    if (order !== undefined && module.path.includes(".experts.")) {
      throw unsupported(place, `'${module.path}.g_idx' in an order of its own`, "experts whose groups are in order");
    }
    ordered.push({ ...module, order });
  }
  return ordered;
}

/** Some GPTQ libraries give every module a bias, of zeros where the model has none. */
async function withoutEmptyBiases(
  others: NativeTensor[],
  modules: PackedModule[],
  config: Record<string, unknown>,
  files: FileHandle[],
): Promise<NativeTensor[]> {
  const packed = new Set(modules.map(({ path }) => `${path}.bias`));
  const kept: NativeTensor[] = [];
  for (const tensor of others) {
    const extra = packed.has(tensor.name) && !hasBias(tensor.name, config);
    if (extra && (await readTensor(files, tensor)).every((byte) => byte === 0)) continue;
    kept.push(tensor);
  }
  return kept;
}

function hasBias(
  name: string,
  { model_type: type, attention_bias: attention, mlp_bias: mlp }: Record<string, unknown>,
) {
  if (typeof type === "string" && type.startsWith("qwen2")) return /\.[qkv]_proj\.bias$/.test(name);
  return name.includes("attn") ? attention === true : mlp === true;
}

function outputsOf({ path, inputs, outputs, newGroupSize, order }: OrderedModule, bits: number): TensorToWrite[] {
  const groups = inputs / newGroupSize;
  const tensors: TensorToWrite[] = [
    { name: `${path}.weight`, dtype: "U32", shape: [outputs, (inputs * bits) / 32] },
    { name: `${path}.scales`, dtype: "F32", shape: [outputs, groups] },
    { name: `${path}.biases`, dtype: "F32", shape: [outputs, groups] },
  ];
  if (order) tensors.push({ name: `${path}.input_order`, dtype: "U32", shape: [inputs] });
  return tensors;
}

async function writeWeights(
  path: string,
  modules: OrderedModule[],
  others: NativeTensor[],
  config: PackedConfig,
  files: FileHandle[],
  { signal, onProgress }: PackedImportOptions,
): Promise<{ parameters: number; weightBytes: number; bytes: number }> {
  const kept = others.map(({ name, dtype, shape }) => ({ name, dtype: dtype as WritableDtype, shape }));
  const tensors = [...modules.flatMap((module) => outputsOf(module, config.bits)), ...kept];
  const totalBytes = tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  let writtenBytes = 0;
  const writer = await SafetensorsWriter.create(path, tensors, { format: "mlx" });
  const append = async (tensor: string, data: Uint32Array | Float32Array | Uint8Array) => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    await writer.append(tensor, bytes);
    writtenBytes += bytes.byteLength;
    onProgress?.({ tensor, writtenBytes, totalBytes });
    signal?.throwIfAborted();
  };
  try {
    for (const module of modules) await writeModule(module, config, files, append);
    for (const tensor of others) {
      for (let offset = 0; offset < tensor.bytes; offset += CHUNK_BYTES) {
        const bytes = Math.min(CHUNK_BYTES, tensor.bytes - offset);
        await append(tensor.name, await readTensor(files, { ...tensor, offset: tensor.offset + offset, bytes }));
      }
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
  const parameters =
    modules.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0) +
    others.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0);
  return { parameters, weightBytes: totalBytes, bytes: writer.fileBytes };
}

async function writeModule(
  { path, inputs, outputs, groups, newGroupSize, order, ...parts }: OrderedModule,
  { method, bits, zeroOffset }: PackedConfig,
  files: FileHandle[],
  append: (tensor: string, data: Uint32Array | Float32Array | Uint8Array) => Promise<void>,
): Promise<void> {
  const words = async (tensor: NativeTensor) => new Uint32Array((await readTensor(files, tensor)).buffer);
  const qweight = await words(parts.qweight);
  const qzeros = parts.qzeros && (await words(parts.qzeros));
  const scales = toFloats(await readTensor(files, parts.scales), parts.scales.dtype);
  const matrix: PackedMatrix = { method, bits, inputs, outputs, groups, qweight, qzeros, zeroOffset };
  const zeros = zeroPoints(matrix);
  for (let first = 0; first < outputs; first += CHUNK_ROWS) {
    const end = Math.min(first + CHUNK_ROWS, outputs);
    const affine = repackScales(scales, zeros, matrix, newGroupSize, first, end);
    await append(`${path}.weight`, repackRows(matrix, order, first, end));
    await append(`${path}.scales`, affine.scales);
    await append(`${path}.biases`, affine.biases);
    await setImmediate();
  }
  if (order) await append(`${path}.input_order`, order);
}

function usualGroupSize(modules: readonly PackedModule[]): number {
  return modules[0]?.newGroupSize ?? 128;
}

function newConfig(config: Record<string, unknown>, { bits }: PackedConfig, modules: OrderedModule[]) {
  const usual = usualGroupSize(modules);
  const own = modules.filter(({ newGroupSize }) => newGroupSize !== usual);
  const rows = own.map(({ path, newGroupSize }) => [path, { group_size: newGroupSize, bits, mode: "affine" }]);
  const quantization = { group_size: usual, bits, mode: "affine", ...Object.fromEntries(rows) };
  const { quantization_config: _, ...kept } = config;
  return { ...kept, quantization, quantization_config: quantization };
}
