/** Where models lie on this machine. Everything here is a function of its arguments: nothing is read from disk. */
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { PunieError } from "../errors.js";
import { directoryName } from "./model-name.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The models directory, absolute: the option, else `PUNIE_MODELS_DIR`, else `~/.cache/punie/models`.
 *
 * @throws PunieError `INVALID_OPTION` for an empty option.
 */
export function modelsDirectory(option: string | undefined, env: Environment = process.env): string {
  if (option !== undefined && (option.trim() === "" || option.includes("\0"))) {
    throw new PunieError("INVALID_OPTION", `modelsDir: expected a directory, got ${JSON.stringify(option)}.`);
  }
  const given = option ?? (env.PUNIE_MODELS_DIR || undefined);
  return given === undefined ? join(home(env), ".cache", "punie", "models") : absolutePath(given, env);
}

/** The Hugging Face cache that other tools fill: `HF_HUB_CACHE`, else `HF_HOME/hub`, else `~/.cache/huggingface/hub`. */
export function huggingFaceCache(env: Environment = process.env): string {
  return env.HF_HUB_CACHE ? absolutePath(env.HF_HUB_CACHE, env) : join(huggingFaceHome(env), "hub");
}

/** Hugging Face's directory for its cache and token: `HF_HOME`, else `huggingface` in the user's cache directory. */
export function huggingFaceHome(env: Environment = process.env): string {
  if (env.HF_HOME) return absolutePath(env.HF_HOME, env);
  return join(env.XDG_CACHE_HOME || join(home(env), ".cache"), "huggingface");
}

/** An absolute path, with a leading `~` standing for the home directory: quotes keep a shell from expanding it. */
export function absolutePath(path: string, env: Environment = process.env): string {
  if (path === "~" || path.startsWith("~/")) return join(home(env), path.slice(1));
  return resolve(path);
}

function home(env: Environment): string {
  return env.HOME || homedir();
}

/** The directory of a repository in the models directory, whether it is there or not. */
export function modelDirectory(repository: string, modelsDir?: string, env: Environment = process.env): string {
  return join(modelsDirectory(modelsDir, env), directoryName(repository));
}
