/** What a checkpoint made for embeddings has of its own: names without `model.`, no output head, how it is pooled. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { NativeTensor } from "../native/binding-types.js";
import { readJsonFile } from "./json-file.js";
import type { QuantizationTable } from "./quantization-config.js";
import { parseWith } from "./schema-error.js";
import { isAbsent } from "./system-error.js";
import { unsupported } from "./unsupported.js";

/** Of the hidden states after the final norm: the last token's, or the mean of all. */
export type Pooling = "last" | "mean";
export const POOLINGS = ["last", "mean"] as const satisfies readonly Pooling[];

/** Files that sentence-transformers puts beside a model. */
export const EMBEDDING_MARKS: readonly string[] = ["modules.json", "config_sentence_transformers.json"];
/** And, in a directory below, how it pools. */
export const POOLING_FILE = join("1_Pooling", "config.json");
const MAX_POOLING_BYTES = 64 * 1024;
const PREFIX = "model.";

interface NamedParts {
  tensors: readonly NativeTensor[];
  quantization: QuantizationTable | undefined;
}

/**
 * The decoder alone, saved without the language model around it, has `layers.0…` for `model.layers.0…`: such names get
 * their prefix. All others stay as they are.
 */
export function withModelPrefix({ tensors, quantization }: NamedParts): NamedParts {
  const bare = tensors.some(({ name }) => name === "embed_tokens.weight");
  if (!bare || tensors.some(({ name }) => name.startsWith(PREFIX))) return { tensors, quantization };
  const prefixed = (name: string) => (name.startsWith("lm_head.") || name === "lm_head" ? name : `${PREFIX}${name}`);
  const renamed = tensors.map((tensor) => ({ ...tensor, name: prefixed(tensor.name) }));
  if (quantization === undefined) return { tensors: renamed, quantization };
  const layers = Object.entries(quantization.layers).map(([path, own]) => [
    path.startsWith(PREFIX) ? path : prefixed(path),
    own,
  ]);
  return { tensors: renamed, quantization: { ...quantization, layers: Object.fromEntries(layers) } };
}

/**
 * True for an embedding model without an output head: it can't generate, and nothing is missing of it. `bare`: its
 * names had no prefix. Of any other model a head that is not there is an error.
 */
export async function isHeadless(directory: string, tensors: readonly NativeTensor[], bare: boolean): Promise<boolean> {
  if (tensors.some(({ name }) => name.startsWith("lm_head."))) return false;
  return bare || (await Promise.all(EMBEDDING_MARKS.map((file) => isThere(join(directory, file))))).includes(true);
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

const poolingFields = z.object(
  {
    pooling_mode_lasttoken: z.boolean({ error: "expected true or false" }).nullish(),
    pooling_mode_mean_tokens: z.boolean({ error: "expected true or false" }).nullish(),
  },
  { error: "expected an object" },
);

/**
 * How the model's author pools (1_Pooling/config.json); undefined when nothing says so.
 *
 * @throws PunieError `MODEL_CORRUPT`; `MODEL_UNSUPPORTED` for another way than `Pooling` has.
 */
export async function readPooling(directory: string): Promise<Pooling | undefined> {
  const file = join(directory, POOLING_FILE);
  const json = await readJsonFile(file, MAX_POOLING_BYTES);
  if (json === undefined) return undefined;
  const { pooling_mode_lasttoken: last, pooling_mode_mean_tokens: mean } = parseWith(poolingFields, json, file);
  if (last && !mean) return "last";
  if (mean && !last) return "mean";
  throw unsupported(file, "this way of pooling", "pooling_mode_lasttoken or pooling_mode_mean_tokens alone");
}
