/**
 * Random models from a seed: the same tensors, bit for bit, as scripts/goldens/random_model.py writes.
 *
 * A number is a hash of (seed, tensor name, index), cut to as many significant bits as its dtype holds and scaled by a
 * power of two. So every value is exact in its dtype, and no rounding has to agree between the two languages.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type RawTensor, writeSafetensors } from "./random-model-file.js";

type FloatDtype = "F32" | "F16" | "BF16";

interface QuantizationMode {
  group_size: number;
  bits: number;
  mode?: "affine" | "mxfp4" | "mxfp8" | "nvfp4";
  global_scale?: boolean;
}

/** A row of the goldens: config.json and how its weights are laid out. */
export interface RandomModelSpec {
  name: string;
  seed: number;
  /** Of norms, biases and unquantized layers, and of scales unless `scalesDtype` says otherwise. */
  dtype: FloatDtype;
  scalesDtype?: FloatDtype;
  /** Layers without scales, though the configuration speaks of quantization. */
  plain?: string[];
  shards?: number;
  /** Offset of the first tensor modulo 16. */
  start?: number;
  config: {
    quantization?: QuantizationMode & Record<string, QuantizationMode | string | boolean | number | undefined>;
    [key: string]: unknown;
  };
  plan: PlanRow[];
}

/** A row of scripts/goldens/plans.py. */
type PlanRow =
  | ["matrix", path: string, rows: number, columns: number, gain: number]
  | ["stack", path: string, count: number, rows: number, columns: number, gain: number]
  | ["uniform", name: string, shape: number[], exponent: number]
  | ["norm", name: string, size: number];

const SIGNIFICANT_BITS = { F32: 24, F16: 11, BF16: 8 };
const GOLDEN_RATIO = 0x9e3779b9;

/** FNV-1a over ASCII, 32 bits. */
function hashOfText(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** `count` uint32 values: an integer hash with good avalanche over a counter. */
function words(seed: number, name: string, count: number): Uint32Array {
  const base = hashOfText(`${seed}/${name}`);
  return Uint32Array.from({ length: count }, (_, i) => {
    let x = (Math.imul(i, GOLDEN_RATIO) + base) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
    x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
    return x ^ (x >>> 16);
  });
}

function product(shape: readonly number[]): number {
  return shape.reduce((count, size) => count * size, 1);
}

/** Bits of a half that holds `value` exactly; subnormal ones included. */
function halfBits(value: number): number {
  const sign = value < 0 ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size < 2 ** -14) return sign | (size * 2 ** 24);
  const exponent = Math.floor(Math.log2(size));
  return sign | ((exponent + 15) << 10) | ((size / 2 ** exponent - 1) * 1024);
}

function toBytes(values: Float32Array, dtype: FloatDtype): Uint8Array {
  if (dtype === "F32") return new Uint8Array(values.buffer);
  if (dtype === "F16") return new Uint8Array(Uint16Array.from(values, halfBits).buffer);
  const bits = new Uint32Array(values.buffer);
  return new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer);
}

/** Collects a model's tensors. */
class Tensors {
  readonly list: RawTensor[] = [];

  constructor(private readonly spec: RandomModelSpec) {}

  private floats(name: string, shape: number[], dtype: FloatDtype, value: (word: number, i: number) => number): void {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = Float32Array.from(words(this.spec.seed, name, count), value);
    this.list.push({ name, dtype, shape, data: toBytes(values, dtype) });
  }

  /** Values in [-2^exponent, 2^exponent). */
  uniform(name: string, shape: number[], exponent: number): void {
    const { dtype } = this.spec;
    const bits = SIGNIFICANT_BITS[dtype];
    const step = 2 ** (exponent - bits + 1);
    this.floats(name, shape, dtype, (word) => ((word >>> (32 - bits)) - 2 ** (bits - 1)) * step);
  }

  /** Values in [0.5, 1.5): a norm's weight. */
  aroundOne(name: string, size: number): void {
    const { dtype } = this.spec;
    const bits = SIGNIFICANT_BITS[dtype];
    this.floats(name, [size], dtype, (word) => 0.5 + (word >>> (33 - bits)) * 2 ** (1 - bits));
  }

  /** Values in ±[2^exponent, 2^(exponent + 1)). */
  private magnitudes(name: string, shape: number[], exponent: number, sign: (i: number) => number): void {
    const dtype = this.spec.scalesDtype ?? this.spec.dtype;
    const bits = SIGNIFICANT_BITS[dtype];
    const step = 2 ** (exponent - bits + 1);
    this.floats(name, shape, dtype, (word, i) => sign(i) * ((word >>> (33 - bits)) + 2 ** (bits - 1)) * step);
  }

  private modeOf(path: string): QuantizationMode | undefined {
    const { quantization } = this.spec.config;
    if (quantization === undefined || this.spec.plain?.includes(path)) return undefined;
    const own = quantization[path] ?? quantization;
    return typeof own === "object" ? own : undefined;
  }

  /** A linear's or an embedding's weight; entries of size about 2^(gain - 1) / sqrt(columns). */
  matrix(path: string, rows: readonly number[], columns: number, gain: number): void {
    const exponent = gain - ((32 - Math.clz32(columns)) >> 1);
    const mode = this.modeOf(path);
    if (mode === undefined) {
      this.uniform(`${path}.weight`, [...rows, columns], exponent);
      return;
    }
    const packed = [...rows, (columns * mode.bits) / 32];
    const groups = [...rows, columns / mode.group_size];
    if (mode.mode !== undefined && mode.mode !== "affine") {
      this.smallFloats(path, packed, groups, exponent, mode);
      return;
    }
    const data = words(this.spec.seed, `${path}.weight`, product(packed));
    this.list.push({ name: `${path}.weight`, dtype: "U32", shape: packed, data: new Uint8Array(data.buffer) });
    // Either sign of scale occurs in MLX's files; the bias then puts the group's middle near zero.
    const scaleWords = words(this.spec.seed, `${path}.scales`, product(groups));
    const sign = (i: number) => 1 - 2 * ((scaleWords[i] ?? 0) & 1);
    this.magnitudes(`${path}.scales`, groups, exponent - mode.bits, sign);
    this.magnitudes(`${path}.biases`, groups, exponent - 1, (i) => -sign(i));
  }

  /** The modes whose scales are bytes; a layer's row may ask for a global scale, or one of each expert. */
  private smallFloats(
    path: string,
    packed: number[],
    groups: number[],
    exponent: number,
    { mode, bits, global_scale: globalScale }: QuantizationMode,
  ): void {
    const { seed } = this.spec;
    const data = words(seed, `${path}.weight`, product(packed));
    // E4M3's NaN has all bits set but the sign.
    if (bits === 8) for (const [i, word] of data.entries()) data[i] = word & 0xfefefefe;
    this.list.push({ name: `${path}.weight`, dtype: "U32", shape: packed, data: new Uint8Array(data.buffer) });
    // E8M0: an exponent with a bias of 127. E4M3: one of 4 bits, with a bias of 7, and 3 bits of fraction.
    const least =
      mode === "nvfp4" ? Math.max(0, 4 + exponent + (globalScale ? 4 : 0)) : 127 + exponent - (bits === 4 ? 3 : 8);
    const codes = Uint8Array.from(words(seed, `${path}.scales`, product(groups)), (word) =>
      mode === "nvfp4" ? (((word % 3) + least) << 3) | (word >>> 29) : (word % 3) + least,
    );
    this.list.push({ name: `${path}.scales`, dtype: "U8", shape: groups, data: codes });
    if (!globalScale) return;
    const shape = packed.slice(0, -2);
    const scales = Float32Array.from(
      words(seed, `${path}.global_scale`, product(shape)),
      (word) => 168 + (word >>> 24) / 2,
    );
    this.list.push({ name: `${path}.global_scale`, dtype: "F32", shape, data: new Uint8Array(scales.buffer) });
  }
}

/** Every tensor of the model that `spec` describes. */
export function tensorsOf(spec: RandomModelSpec): RawTensor[] {
  const out = new Tensors(spec);
  for (const row of spec.plan) {
    if (row[0] === "matrix") out.matrix(row[1], [row[2]], row[3], row[4]);
    else if (row[0] === "stack") out.matrix(row[1], [row[2], row[3]], row[4], row[5]);
    else if (row[0] === "uniform") out.uniform(row[1], row[2], row[3]);
    else out.aroundOne(row[1], row[2]);
  }
  return out.list;
}

/** Writes config.json and the weights into `directory`, which is made. Returns the directory. */
export async function writeRandomModel(spec: RandomModelSpec, directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "config.json"), JSON.stringify(spec.config));
  const { shards = 1, start = 0 } = spec;
  const tensors = tensorsOf(spec);
  if (shards === 1) {
    await writeSafetensors(join(directory, "model.safetensors"), tensors, start);
    return directory;
  }
  const map: Record<string, string> = {};
  for (let shard = 0; shard < shards; shard++) {
    const number = (value: number) => String(value).padStart(5, "0");
    const file = `model-${number(shard + 1)}-of-${number(shards)}.safetensors`;
    const part = tensors.filter((_, i) => i % shards === shard);
    await writeSafetensors(join(directory, file), part, start);
    for (const tensor of part) map[tensor.name] = file;
  }
  const index = { metadata: {}, weight_map: map };
  await writeFile(join(directory, "model.safetensors.index.json"), JSON.stringify(index));
  return directory;
}
