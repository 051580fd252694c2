import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ModelNotDownloadedError, PunieError } from "../errors.js";
import { inspectModel, isModelThere } from "./completeness.js";
import { downloadCommand } from "./download-command.js";
import { directoryName, parseModelName, repositoryOfDirectory } from "./model-name.js";
import { absolutePath, type Environment, huggingFaceCache, modelsDirectory } from "./places.js";
import { isAbsent } from "./system-error.js";

export interface ResolveOptions {
  /** Models directory. Default: `PUNIE_MODELS_DIR`, else `~/.cache/punie/models`. */
  modelsDir?: string | undefined;
  /** Default: the process's environment. */
  env?: Environment;
}

export interface ResolvedModel {
  /** The model's directory, or the GGUF file, absolute. */
  path: string;
  /** `ORG/NAME`, or the path as it was given. */
  name: string;
  source: "models-dir" | "hugging-face-cache" | "path" | "gguf";
}

/**
 * Finds a model on this machine. Opens no socket and changes nothing.
 *
 * @param name `local`, `local:ORG/NAME`, `ORG/NAME` or a path. Default: `PUNIE_MODEL`, else `local`.
 * @throws ModelNotDownloadedError for a repository that is neither in the models directory nor in the Hugging Face
 * cache; PunieError `MODEL_NOT_FOUND` for a path that isn't there, `MODEL_UNSUPPORTED` for a file that is no `.gguf`,
 * `MODEL_CORRUPT` for the path of a half-finished download, `INVALID_OPTION` for what is no name.
 */
export async function resolveModel(name?: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const env = options.env ?? process.env;
  const modelsDir = modelsDirectory(options.modelsDir, env);
  const parsed = parseModelName(name ?? (env.PUNIE_MODEL || "local"));
  if (parsed.kind === "path") return resolvePath(parsed.path, env);

  const { repository } = parsed;
  const own = join(modelsDir, directoryName(repository));
  if (await isModelThere(own)) return { path: own, name: repository, source: "models-dir" };
  const cache = huggingFaceCache(env);
  const snapshot = await cachedSnapshot(cache, repository);
  if (snapshot !== undefined) return { path: snapshot, name: repository, source: "hugging-face-cache" };
  const command = downloadCommand(repository, options.modelsDir);
  throw new ModelNotDownloadedError(repository, command, [modelsDir, cache], await pathAdvice(repository));
}

/** Somebody may have meant a path that reads like a name: what to write for it, where there is one. */
async function pathAdvice(repository: string): Promise<string | undefined> {
  const isHere = await stat(repository).then(
    () => true,
    () => false,
  );
  return isHere ? `To use the ${repository} that is in this directory, write './${repository}'.` : undefined;
}

/** The directory of a repository's `main` in the Hugging Face cache, or undefined when it isn't all there. */
export async function cachedSnapshot(cache: string, repository: string): Promise<string | undefined> {
  const root = join(cache, `models--${directoryName(repository)}`);
  const commit = await readRef(join(root, "refs", "main"));
  if (commit === undefined) return undefined;
  const snapshot = join(root, "snapshots", commit);
  return (await isModelThere(snapshot)) ? snapshot : undefined;
}

const MAX_REF_BYTES = 256;

async function readRef(path: string): Promise<string | undefined> {
  try {
    const info = await stat(path);
    if (!info.isFile() || info.size > MAX_REF_BYTES) return undefined;
    const commit = (await readFile(path, "utf8")).trim();
    return /^[0-9a-f]{40}$/.test(commit) ? commit : undefined;
  } catch {
    // Another tool's cache that can't be read is as good as none.
    return undefined;
  }
}

async function resolvePath(given: string, env: Environment): Promise<ResolvedModel> {
  const path = absolutePath(given, env);
  const kind = await kindOf(path);
  if (kind === "absent") {
    throw new PunieError("MODEL_NOT_FOUND", `${given}: there is no such file or directory.`);
  }
  if (kind === "file") {
    if (path.toLowerCase().endsWith(".gguf")) return { path, name: given, source: "gguf" };
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${given}: single files are not supported, but for .gguf ones. ` +
        "Expected an MLX model directory: config.json, *.safetensors and a tokenizer.",
    );
  }
  await refuseHalfFinished(path, given);
  return { path, name: given, source: "path" };
}

async function refuseHalfFinished(path: string, given: string): Promise<void> {
  const found = await inspectModel(path);
  if (found.state !== "partial") return;
  const repository = found.manifest?.repo ?? repositoryOfDirectory(basename(path));
  const goOn = repository ? ` Complete it with: ${downloadCommand(repository, dirname(path))}` : "";
  throw new PunieError("MODEL_CORRUPT", `${given}: not a whole download (${found.reason}).${goOn}`);
}

async function kindOf(path: string): Promise<"directory" | "file" | "absent"> {
  try {
    return (await stat(path)).isDirectory() ? "directory" : "file";
  } catch (cause) {
    if (isAbsent(cause)) return "absent";
    throw new PunieError("MODEL_NOT_FOUND", `${path}: can't be looked at (${(cause as Error).message}).`, { cause });
  }
}
