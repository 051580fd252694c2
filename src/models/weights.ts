import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { PunieError } from "../errors.js";
import type { NativeTensor } from "../native/binding-types.js";
import { readJsonFile } from "./json-file.js";
import { readSafetensorsHeader } from "./safetensors-header.js";
import { describe, parseWith } from "./schema-error.js";
import { errorCode, isAbsent } from "./system-error.js";

const INDEX_FILE = "model.safetensors.index.json";

/** Largest index that is read: one of a hundred thousand tensors has 10 MB. */
const MAX_INDEX_BYTES = 32 * 1024 * 1024;
const MAX_SHARDS = 4096;

export interface Weights {
  files: { path: string; bytes: number }[];
  tensors: NativeTensor[];
}

/**
 * The weight files of a model directory, in order: those that the index names, else `model*.safetensors`.
 *
 * @returns Names inside the directory. Empty when there are no weights.
 * @throws PunieError `MODEL_CORRUPT` for an index that can't be read or that names a file outside the directory.
 */
export async function weightFiles(directory: string): Promise<string[]> {
  const index = await readIndex(directory);
  return index === undefined ? await unindexedFiles(directory) : [...new Set(Object.values(index))].sort();
}

/** The weight files that ought to be there and are not: of the index, or of a numbered set (`-00001-of-00003`). */
export async function missingWeightFiles(directory: string): Promise<string[]> {
  const files = await weightFiles(directory);
  const expected = new Set(files.flatMap(numberedSet));
  const there = await Promise.all([...expected].map((file) => isFile(join(directory, file))));
  return [...expected].filter((_, i) => !there[i]);
}

/**
 * Reads the headers of all weight files.
 *
 * @throws PunieError `MODEL_CORRUPT`, naming the file: no weights, a missing shard, a fault in a header, a tensor that
 * stands twice, or that the index promises and its shard lacks.
 */
export async function readWeights(directory: string): Promise<Weights> {
  const index = await readIndex(directory);
  const names = await weightFiles(directory);
  if (names.length === 0) {
    throw new PunieError("MODEL_CORRUPT", `${directory}: no weights: expected model.safetensors or ${INDEX_FILE}.`);
  }
  const [missing] = await missingWeightFiles(directory);
  if (missing !== undefined) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${join(directory, missing)}: the file is missing; it is one of ${names.length > 1 ? "several weight files" : "the weight files"}.`,
    );
  }
  const weights: Weights = { files: [], tensors: [] };
  const fileOf = new Map<string, string>();
  for (const [file, name] of names.entries()) {
    const path = join(directory, name);
    const header = await readSafetensorsHeader(path);
    weights.files.push({ path, bytes: header.fileBytes });
    for (const tensor of header.tensors) {
      const other = fileOf.get(tensor.name);
      if (other !== undefined) {
        throw new PunieError("MODEL_CORRUPT", `${path}: tensor ${describe(tensor.name)} stands in ${other} too.`);
      }
      fileOf.set(tensor.name, name);
      weights.tensors.push({ ...tensor, file });
    }
  }
  for (const [tensor, name] of Object.entries(index ?? {})) {
    if (fileOf.get(tensor) !== name) {
      throw new PunieError(
        "MODEL_CORRUPT",
        `${join(directory, name)}: tensor ${describe(tensor)} is missing; ${INDEX_FILE} names it.`,
      );
    }
  }
  return weights;
}

const indexFields = z.object(
  { weight_map: z.record(z.string(), z.string({ error: "expected a file name" }), { error: "expected an object" }) },
  { error: "expected an object" },
);

/** Tensor name to file name, or undefined when the directory has no index. */
async function readIndex(directory: string): Promise<Record<string, string> | undefined> {
  const path = join(directory, INDEX_FILE);
  const json = await readJsonFile(path, MAX_INDEX_BYTES);
  if (json === undefined) return undefined;
  const { weight_map: map } = parseWith(indexFields, json, path);
  const names = new Set(Object.values(map));
  if (names.size === 0 || names.size > MAX_SHARDS) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${path}: weight_map: expected 1 to ${MAX_SHARDS} files, found ${names.size}.`,
    );
  }
  for (const name of names) {
    if (!/^[^/\\\0]+\.safetensors$/.test(name)) {
      throw new PunieError(
        "MODEL_CORRUPT",
        `${path}: weight_map: expected names of .safetensors files in the same directory, found ${describe(name)}.`,
      );
    }
  }
  return map;
}

async function unindexedFiles(directory: string): Promise<string[]> {
  try {
    const names = await readdir(directory);
    return names.filter((name) => /^model.*\.safetensors$/.test(name)).sort();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw unreadable(directory, error);
  }
}

/** All names of the set that a numbered name belongs to, or the name alone. */
function numberedSet(name: string): string[] {
  const match = /^(.*-)(\d{5})-of-(\d{5})\.safetensors$/.exec(name);
  const count = Number(match?.[3] ?? 0);
  if (match === null || count === 0 || count > MAX_SHARDS) return [name];
  return Array.from(
    { length: count },
    (_, i) => `${match[1]}${String(i + 1).padStart(5, "0")}-of-${match[3]}.safetensors`,
  );
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw unreadable(path, error);
  }
}

function unreadable(path: string, cause: unknown): PunieError {
  return new PunieError("MODEL_CORRUPT", `${path}: can't be read (${errorCode(cause) ?? String(cause)}).`, { cause });
}
