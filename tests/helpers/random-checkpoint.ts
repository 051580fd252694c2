/** Random Hugging Face checkpoints: the same bytes as scripts/goldens/conversion.py writes. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeSafetensors } from "./random-model-file.js";

export interface Checkpoint {
  name: string;
  seed: number;
  config: Record<string, unknown>;
  tensors: [name: string, dtype: "F32" | "F16" | "BF16", shape: number[]][];
}

const FLOATS = {
  F32: { fractionBits: 23, exponentBits: 8, bias: 127 },
  F16: { fractionBits: 10, exponentBits: 5, bias: 15 },
  BF16: { fractionBits: 7, exponentBits: 8, bias: 127 },
};

/** FNV-1a over ASCII, 32 bits. */
export function hashOfText(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** An integer hash with good avalanche over a counter. */
export function word(base: number, i: number): number {
  let x = (Math.imul(i, 0x9e3779b9) + base) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Any sign and fraction, and one of eight exponents up to 2^-1. */
function floatBytes(seed: number, name: string, dtype: keyof typeof FLOATS, count: number): Uint8Array {
  const { fractionBits, exponentBits, bias } = FLOATS[dtype];
  const base = hashOfText(`${seed}/${name}`);
  const bits = dtype === "F32" ? new Uint32Array(count) : new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const hash = word(base, i);
    const exponent = bias - 8 + ((hash >>> 28) & 7);
    const sign = (hash >>> 31) * 2 ** (fractionBits + exponentBits);
    bits[i] = sign + exponent * 2 ** fractionBits + (hash & (2 ** fractionBits - 1));
  }
  return new Uint8Array(bits.buffer);
}

/** Writes config.json and the weights into `directory`, which is made. Returns the directory. */
export async function writeCheckpoint(checkpoint: Checkpoint, directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "config.json"), JSON.stringify(checkpoint.config));
  const tensors = checkpoint.tensors.map(([name, dtype, shape]) => {
    const count = shape.reduce((product, size) => product * size, 1);
    return { name, dtype, shape, data: floatBytes(checkpoint.seed, name, dtype, count) };
  });
  await writeSafetensors(join(directory, "model.safetensors"), tensors, 3);
  return directory;
}
