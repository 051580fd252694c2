/** The tensors of a packed checkpoint, put together module by module. */
import type { FileHandle } from "node:fs/promises";
import { PunieError } from "../../errors.js";
import type { Weights } from "../../models/weights.js";
import type { NativeTensor } from "../../native/binding-types.js";
import type { PackedConfig } from "./packed-config.js";

export interface PackedModule {
  path: string;
  inputs: number;
  outputs: number;
  groups: number;
  /** Of MLX's groups: the largest that divides the checkpoint's. */
  newGroupSize: 32 | 64 | 128;
  qweight: NativeTensor;
  qzeros: NativeTensor | undefined;
  scales: NativeTensor;
  groupOfInput: NativeTensor | undefined;
}

const PART = /\.(qweight|qzeros|scales|g_idx)$/;

/**
 * @returns The packed modules, and the tensors that stay as they are.
 * @throws PunieError `WEIGHTS_MISMATCH` for parts that are missing, left over or don't fit one another.
 */
export function packedModules(
  weights: Weights,
  config: PackedConfig,
  place: string,
): { modules: PackedModule[]; others: NativeTensor[] } {
  const byName = new Map(weights.tensors.map((tensor) => [tensor.name, tensor]));
  const modules: PackedModule[] = [];
  const others: NativeTensor[] = [];
  for (const tensor of weights.tensors) {
    const path = tensor.name.replace(PART, "");
    if (tensor.name === `${path}.qweight`) modules.push(moduleOf(path, byName, config, place));
    else if (path === tensor.name) others.push(tensor);
    else if (!byName.has(`${path}.qweight`))
      throw mismatch(place, `'${tensor.name}' has no '${path}.qweight' beside it`);
  }
  return { modules, others };
}

function moduleOf(
  path: string,
  byName: ReadonlyMap<string, NativeTensor>,
  { method, bits, groupSize }: PackedConfig,
  place: string,
): PackedModule {
  const part = (name: string) => byName.get(`${path}.${name}`);
  const qweight = part("qweight") as NativeTensor;
  const scales = part("scales");
  if (scales === undefined) throw mismatch(place, `'${path}.scales' is missing`);
  const perWord = 32 / bits;
  const [rows = 0, columns = 0] = qweight.shape;
  const inputs = method === "awq" ? rows : rows * perWord;
  const outputs = method === "awq" ? columns * perWord : columns;
  const size = groupSize === -1 ? inputs : groupSize;
  const groups = inputs / size;
  const qzeros = part("qzeros");
  const groupOfInput = part("g_idx");
  const expected: [NativeTensor | undefined, string[], number[]][] = [
    [qweight, ["I32", "U32"], [rows, columns]],
    [scales, ["F16", "BF16", "F32"], [groups, outputs]],
    [qzeros, ["I32", "U32"], [groups, outputs / perWord]],
    [groupOfInput, ["I32", "U32"], [inputs]],
  ];
  for (const [tensor, dtypes, shape] of expected) {
    if (tensor === undefined) continue;
    if (dtypes.includes(tensor.dtype) && String(tensor.shape) === String(shape) && inputs > 0) continue;
    const found = `${tensor.dtype} [${tensor.shape.join(", ")}]`;
    throw mismatch(place, `'${tensor.name}' is ${found}, expected ${dtypes.join(" or ")} [${shape.join(", ")}]`);
  }
  const newGroupSize = ([128, 64, 32] as const).find((of) => size % of === 0);
  if (newGroupSize === undefined || outputs % perWord !== 0) {
    throw mismatch(place, `'${path}' has groups of ${size} and ${outputs} outputs, which MLX's layout can't hold`);
  }
  return { path, inputs, outputs, groups, newGroupSize, qweight, qzeros, scales, groupOfInput };
}

export function mismatch(place: string, what: string): PunieError {
  return new PunieError("WEIGHTS_MISMATCH", `${place}: ${what}.`);
}

/** A whole tensor's bytes, at an aligned address. */
export async function readTensor(files: readonly FileHandle[], tensor: NativeTensor): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(tensor.bytes);
  const file = files[tensor.file] as FileHandle;
  for (let filled = 0; filled < bytes.byteLength; ) {
    const { bytesRead } = await file.read(bytes, filled, bytes.byteLength - filled, tensor.offset + filled);
    if (bytesRead === 0) throw new PunieError("MODEL_CORRUPT", `Tensor '${tensor.name}': its file became shorter.`);
    filled += bytesRead;
  }
  return bytes;
}

/** The values of an F32, F16 or BF16 tensor. */
export function toFloats(bytes: Uint8Array<ArrayBuffer>, dtype: string): Float32Array {
  if (dtype === "F32") return new Float32Array(bytes.buffer);
  const halves = new Uint16Array(bytes.buffer);
  if (dtype === "F16") return Float32Array.from(halves, halfToNumber);
  return new Float32Array(Uint32Array.from(halves, (bits) => bits << 16).buffer);
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
