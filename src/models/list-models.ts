import type { Dirent } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import { inspectModel } from "./completeness.js";
import { MAX_CONFIG_BYTES } from "./config.js";
import { readJsonFile } from "./json-file.js";
import { PUNIE_DIRECTORY } from "./manifest.js";
import { repositoryOfDirectory } from "./model-name.js";
import { type Environment, huggingFaceCache, modelsDirectory } from "./places.js";
import { cachedSnapshot } from "./resolve-model.js";
import { errorCode, isAbsent } from "./system-error.js";

export interface ModelInfo {
  /** `ORG/NAME`. */
  name: string;
  /** The model's directory, absolute. */
  path: string;
  source: "models-dir" | "hugging-face-cache";
  /** False: the download is not finished, or a file is missing; `download-model NAME` goes on with it. */
  complete: boolean;
  /** Bytes on disk now, unfinished files included. */
  bytes: number;
  /** The repository's commit; null for a directory put there by hand. */
  commit: string | null;
  /** config.json's `model_type`; null when there is none to read. */
  modelType: string | null;
  /** Default width of the weights; null when they are not quantized or config.json can't be read. */
  quantization: { bits: number; groupSize: number; mode: string } | null;
}

export interface ListOptions {
  /** Models directory. Default: `PUNIE_MODELS_DIR`, else `~/.cache/punie/models`. */
  modelsDir?: string | undefined;
  /** Default: the process's environment. */
  env?: Environment;
}

/**
 * The models on this machine, complete and partial ones, by name: those of the models directory, then whole ones of
 * the Hugging Face cache that aren't among them. A directory that isn't there holds none.
 *
 * @throws PunieError `MODEL_NOT_FOUND` when the models directory can't be read.
 */
export async function listModels(options: ListOptions = {}): Promise<ModelInfo[]> {
  const env = options.env ?? process.env;
  const own = await listOwn(modelsDirectory(options.modelsDir, env));
  const names = new Set(own.filter((model) => model.complete).map((model) => model.name));
  const cached = await listCached(huggingFaceCache(env));
  return [...own, ...cached.filter((model) => !names.has(model.name))];
}

/** What `listModels` tells of one directory, or undefined when it holds nothing of a model. */
export async function describeModel(
  path: string,
  name: string,
  source: ModelInfo["source"],
): Promise<ModelInfo | undefined> {
  const found = await inspectModel(path);
  if (found.state === "absent") return undefined;
  const commit = "manifest" in found ? (found.manifest?.commit ?? null) : null;
  return {
    name,
    path,
    source,
    complete: found.state !== "partial",
    bytes: await bytesOnDisk(path),
    commit,
    ...(await readSummary(path)),
  };
}

async function listOwn(modelsDir: string): Promise<ModelInfo[]> {
  const models: ModelInfo[] = [];
  for (const directory of await subdirectories(modelsDir)) {
    const name = repositoryOfDirectory(directory);
    if (name === undefined) continue;
    const model = await describeModel(join(modelsDir, directory), name, "models-dir");
    if (model !== undefined) models.push(model);
  }
  return models;
}

const CACHE_PREFIX = "models--";

async function listCached(cache: string): Promise<ModelInfo[]> {
  const models: ModelInfo[] = [];
  // Another tool's cache that can't be read is as good as none.
  for (const directory of await subdirectories(cache).catch(() => [])) {
    const name = directory.startsWith(CACHE_PREFIX)
      ? repositoryOfDirectory(directory.slice(CACHE_PREFIX.length))
      : undefined;
    const snapshot = name && (await cachedSnapshot(cache, name));
    if (!name || !snapshot) continue;
    const model = await describeModel(snapshot, name, "hugging-face-cache");
    if (model !== undefined) models.push({ ...model, commit: snapshot.slice(-COMMIT_LENGTH) });
  }
  return models;
}

const COMMIT_LENGTH = 40;

/** Names of directories, and of links to directories, in order. */
async function subdirectories(path: string): Promise<string[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (cause) {
    if (errorCode(cause) === "ENOENT") return [];
    throw new PunieError("MODEL_NOT_FOUND", `${path}: can't be read as a directory (${errorCode(cause)}).`, { cause });
  }
  return entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => entry.name)
    .sort();
}

async function readSummary(path: string): Promise<Pick<ModelInfo, "modelType" | "quantization">> {
  try {
    const config = (await readJsonFile(join(path, "config.json"), MAX_CONFIG_BYTES)) as Record<string, unknown> | null;
    const table = (config?.quantization ?? config?.quantization_config) as Record<string, unknown> | null | undefined;
    const { bits, group_size: groupSize, mode = "affine" } = table ?? {};
    const quantized = typeof bits === "number" && typeof groupSize === "number" && typeof mode === "string";
    return {
      modelType: typeof config?.model_type === "string" ? config.model_type : null,
      quantization: quantized ? { bits, groupSize, mode } : null,
    };
  } catch {
    return { modelType: null, quantization: null };
  }
}

/** Sizes of the files in a model directory: its own, its subdirectories' and unfinished ones. */
export async function bytesOnDisk(path: string, depth = 0): Promise<number> {
  let bytes = 0;
  for (const entry of await entriesOf(path)) {
    const inner = join(path, entry.name);
    if (entry.isDirectory() && depth < MAX_DEPTH) bytes += await bytesOnDisk(inner, depth + 1);
    else if (!entry.isDirectory()) bytes += await fileBytes(inner);
  }
  return bytes;
}

const MAX_DEPTH = 8;

/** None of a directory that has gone since it was listed: a download that ends removes its own. */
async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** Blocks in use, where the system tells: an unfinished file may be sparse. */
async function fileBytes(path: string): Promise<number> {
  try {
    const info = await stat(path);
    if (!info.isFile()) return 0;
    return path.includes(`/${PUNIE_DIRECTORY}/`) ? Math.min(info.size, info.blocks * 512) : info.size;
  } catch (error) {
    // Gone since it was listed: a download that runs meanwhile renames its files.
    if (isAbsent(error)) return 0;
    throw error;
  }
}
