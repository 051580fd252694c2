import { lstat, realpath, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PunieError } from "../errors.js";
import { acquireLock, type DirectoryLock } from "./directory-lock.js";
import { describeModel, type ModelInfo } from "./list-models.js";
import { PUNIE_DIRECTORY } from "./manifest.js";
import { directoryName, parseModelName } from "./model-name.js";
import { type Environment, modelsDirectory } from "./places.js";
import { isAbsent } from "./system-error.js";

export interface RemoveOptions {
  /** Models directory. Default: `PUNIE_MODELS_DIR`, else `~/.cache/punie/models`. */
  modelsDir?: string | undefined;
  /** Default: the process's environment. */
  env?: Environment;
}

/** The lock that guards a model directory against two writers. */
export function modelLockPath(directory: string): string {
  return join(directory, PUNIE_DIRECTORY, "lock");
}

/**
 * Finds what `removeModel` would remove: complete or not, in the models directory only.
 *
 * @throws PunieError `MODEL_NOT_FOUND`; `INVALID_OPTION` for a path, which is the user's own to remove.
 */
export async function findRemovable(name: string, options: RemoveOptions = {}): Promise<ModelInfo> {
  const parsed = parseModelName(name);
  if (parsed.kind === "path") {
    throw new PunieError("INVALID_OPTION", `${name}: only models of the models directory are removed, by ORG/NAME.`);
  }
  const modelsDir = modelsDirectory(options.modelsDir, options.env);
  const path = join(modelsDir, directoryName(parsed.repository));
  const model = await describeModel(path, parsed.repository, "models-dir");
  if (model === undefined) {
    throw new PunieError("MODEL_NOT_FOUND", `Model '${parsed.repository}' is not in ${modelsDir}: nothing to remove.`);
  }
  return model;
}

/**
 * Deletes one model's directory. A link in its place is removed, what it points to is left alone.
 *
 * @returns What was removed.
 * @throws As `findRemovable`; `DOWNLOAD_LOCKED` while it is being downloaded; `INVALID_OPTION` for what can't be deleted.
 */
export async function removeModel(name: string, options: RemoveOptions = {}): Promise<ModelInfo> {
  const model = await findRemovable(name, options);
  const modelsDir = modelsDirectory(options.modelsDir, options.env);
  if (dirname(model.path) !== modelsDir) throw outside(model.path, modelsDir);
  if ((await lstat(model.path)).isSymbolicLink()) {
    await rm(model.path);
    return model;
  }
  if (dirname(await realpath(model.path)) !== (await realpath(modelsDir))) throw outside(model.path, modelsDir);
  let lock: DirectoryLock | undefined;
  try {
    lock = await acquireLock(modelLockPath(model.path), model.name);
    await rm(model.path, { recursive: true });
  } catch (cause) {
    if (cause instanceof PunieError) throw cause;
    if (isAbsent(cause)) return model;
    throw new PunieError("INVALID_OPTION", `${model.path}: can't be removed (${(cause as Error).message}).`, { cause });
  } finally {
    await lock?.release();
  }
  return model;
}

function outside(path: string, modelsDir: string): PunieError {
  return new PunieError("INVALID_OPTION", `${path}: not directly in the models directory ${modelsDir}; not removed.`);
}
