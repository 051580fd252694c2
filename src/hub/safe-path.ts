import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import { PUNIE_DIRECTORY } from "../models/manifest.js";
import { isAbsent } from "../models/system-error.js";
import { printable } from "./hub-errors.js";

const MAX_PATH_BYTES = 1024;
/** What file systems commonly take, less room for a suffix. */
const MAX_NAME_BYTES = 240;

// Names that Windows keeps for devices, with any extension: a directory may be carried there.
const RESERVED = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$/i;

/**
 * Checks names that come from the Hub before any becomes a path.
 *
 * @throws PunieError `HUB_CORRUPT` for one that leads out of the model's directory, that some system takes for
 * something else, or that is the twin of another where case isn't told apart.
 */
export function checkPaths(paths: readonly string[], repository: string): void {
  const seen = new Map<string, string>();
  for (const path of paths) {
    const fault = pathFault(path);
    if (fault !== undefined) throw hostile(path, fault, repository);
    const folded = fold(path);
    const twin = seen.get(folded);
    if (twin !== undefined)
      throw hostile(path, `differs from ${JSON.stringify(twin)} only in case or spelling`, repository);
    seen.set(folded, path);
  }
  for (const [folded, path] of seen) {
    const parents = folded.split("/").slice(0, -1);
    const file = parents.map((_, i) => parents.slice(0, i + 1).join("/")).find((parent) => seen.has(parent));
    if (file !== undefined) throw hostile(path, "lies below a file", repository);
  }
}

function pathFault(path: string): string | undefined {
  if (path === "") return "is empty";
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  if (/[\p{Cs}\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(path)) return "has control characters";
  if (path.includes("\\") || path.includes(":")) return "has a backslash or a colon";
  for (const part of path.split("/")) {
    if (part === "" || part === "." || part === "..") return "is absolute or has empty, '.' or '..' parts";
    if (Buffer.byteLength(part) > MAX_NAME_BYTES) return `has a part longer than ${MAX_NAME_BYTES} bytes`;
    if (RESERVED.test(part)) return "has a name that Windows keeps for a device";
    if (/[. ]$/.test(part)) return "has a part that ends in a dot or a space";
  }
  if (fold(path.split("/")[0] as string) === PUNIE_DIRECTORY) return `is in ${PUNIE_DIRECTORY}, which is punie's own`;
  return undefined;
}

function fold(path: string): string {
  return path.normalize("NFKC").toLowerCase();
}

/**
 * Checks that no directory on the way to a file is a link, which could lead out of the model's directory.
 *
 * @throws PunieError `HUB_CORRUPT`.
 */
export async function refuseLinkedParents(directory: string, path: string): Promise<void> {
  const parents = path.split("/").slice(0, -1);
  for (const [i] of parents.entries()) {
    const parent = join(directory, ...parents.slice(0, i + 1));
    try {
      if ((await lstat(parent)).isSymbolicLink()) {
        throw new PunieError(
          "HUB_CORRUPT",
          `${parent} is a link: nothing is written through it. Remove it and try again.`,
        );
      }
    } catch (error) {
      if (isAbsent(error)) return;
      throw error;
    }
  }
}

function hostile(path: string, fault: string, repository: string): PunieError {
  const shown = JSON.stringify(printable(path).slice(0, 120));
  return new PunieError(
    "HUB_CORRUPT",
    `'${repository}' has a file named ${shown}, which ${fault}. Nothing was written.`,
  );
}
