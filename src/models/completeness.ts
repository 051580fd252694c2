import { stat } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import { type Manifest, PUNIE_DIRECTORY, readManifest } from "./manifest.js";
import { errorCode, isAbsent } from "./system-error.js";
import { missingWeightFiles, weightFiles } from "./weights.js";

/**
 * How much of a model a directory holds.
 * - `downloaded`: every file that its manifest lists is there, with its size.
 * - `by-hand`: no manifest, but config.json and all weights.
 * - `partial`: something is there that punie put there, and not all of it. A mixture has files that its manifest says
 *   something else of.
 * - `absent`: nothing of a model.
 */
export type Completeness =
  | { state: "downloaded"; manifest: Manifest }
  | { state: "by-hand" }
  | { state: "partial"; manifest?: Manifest; isMixture?: boolean; reason: string }
  | { state: "absent" };

/** Stands in a model directory while finished files are moved to their places: what is there is a mixture. */
export function installingMarker(directory: string): string {
  return join(directory, PUNIE_DIRECTORY, "installing");
}

/** Looks at names and sizes only. Never throws for what it finds in the directory. */
export async function inspectModel(directory: string): Promise<Completeness> {
  if (!(await exists(directory))) return { state: "absent" };
  if (await exists(installingMarker(directory))) {
    const manifest = await readManifest(directory).catch(() => undefined);
    const reason = "files were being moved to their places";
    return { state: "partial", ...(manifest && { manifest }), isMixture: true, reason };
  }
  try {
    const manifest = await readManifest(directory);
    if (manifest !== undefined) {
      const fault = await firstFault(directory, manifest);
      return fault === undefined ? { state: "downloaded", manifest } : { state: "partial", manifest, reason: fault };
    }
    if (await isWholeByHand(directory)) return { state: "by-hand" };
    return (await exists(join(directory, PUNIE_DIRECTORY)))
      ? { state: "partial", reason: "the download is not finished" }
      : { state: "absent" };
  } catch (error) {
    const reason = (error as Error).message;
    return (await exists(join(directory, PUNIE_DIRECTORY))) ? { state: "partial", reason } : { state: "absent" };
  }
}

/** True when a name can be loaded from this directory. */
export async function isModelThere(directory: string): Promise<boolean> {
  const { state } = await inspectModel(directory);
  return state === "downloaded" || state === "by-hand";
}

async function firstFault(directory: string, manifest: Manifest): Promise<string | undefined> {
  for (const file of manifest.files) {
    const size = await sizeOf(join(directory, file.path));
    if (size === undefined) return `${file.path} is missing`;
    if (size !== file.size) return `${file.path} has ${size} bytes, expected ${file.size}`;
  }
  return undefined;
}

async function isWholeByHand(directory: string): Promise<boolean> {
  if ((await sizeOf(join(directory, "config.json"))) === undefined) return false;
  if ((await weightFiles(directory)).length === 0) return false;
  return (await missingWeightFiles(directory)).length === 0;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const info = await stat(path);
    return info.isFile() ? info.size : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw new PunieError("MODEL_CORRUPT", `${path}: can't be read (${errorCode(error) ?? String(error)}).`, {
      cause: error,
    });
  }
}

/** What can't be looked at isn't there: whoever writes to it is told why. */
async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
