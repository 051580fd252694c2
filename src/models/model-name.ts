import { fileURLToPath } from "node:url";
import { PunieError } from "../errors.js";
import { DEFAULT_MODEL } from "./catalog.js";

/** What a user's model name means: a repository of the Hub, or a place on this machine. */
export type ModelName = { kind: "repository"; repository: string } | { kind: "path"; path: string };

const ACCEPTED = "'local', 'local:ORG/NAME', 'ORG/NAME', or a path that starts with './', '../', '~/' or '/'";

/** The Hub's own limit on each half of a repository name. */
const MAX_PART_LENGTH = 96;

/**
 * Reads `local`, `local:ORG/NAME`, `ORG/NAME`, `./x`, `../x`, `~/x`, `/x` and `local:/x`, and the `file:` URL of a path.
 *
 * @throws PunieError `INVALID_OPTION` when the text is none of these.
 */
export function parseModelName(text: string): ModelName {
  const name = text.startsWith("local:") ? text.slice("local:".length) : text;
  if (text === "local") return { kind: "repository", repository: DEFAULT_MODEL };
  if (name.includes("\0")) throw invalid(text, "it contains a NUL character");
  if (isPath(name)) return { kind: "path", path: name };
  if (/^file:/i.test(name)) return { kind: "path", path: pathOfUrl(text, name) };
  const fault = repositoryNameFault(name);
  if (fault !== undefined) throw invalid(text, `${fault}${isUrl(name) || name === "" ? "" : pathHint(name)}`);
  return { kind: "repository", repository: name };
}

/** Says why a text that `parseModelName` takes, or doesn't, is no repository of the Hub; undefined when it is one. */
export function repositoryFault(text: string): string | undefined {
  if (text === "local") return undefined;
  const name = text.startsWith("local:") ? text.slice("local:".length) : text;
  return isPath(name) || /^file:/i.test(name) ? "it is a path" : repositoryNameFault(name);
}

/** The directory of a repository inside a models directory. Unique: the Hub allows no `--` in a name. */
export function directoryName(repository: string): string {
  return repository.replace("/", "--");
}

/** The inverse of `directoryName`, or undefined for a directory that is not named so. */
export function repositoryOfDirectory(directory: string): string | undefined {
  const name = directory.replace("--", "/");
  return repositoryNameFault(name) === undefined ? name : undefined;
}

function isPath(name: string): boolean {
  return name === "." || name === ".." || name === "~" || /^(\.{1,2}\/|~\/|\/)/.test(name);
}

function pathOfUrl(text: string, url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw invalid(text, `it is no URL of a file here (${(error as Error).message})`);
  }
}

function isUrl(name: string): boolean {
  return /^https?:/i.test(name);
}

/** A path without `./` looks like a name to us, and its dots and slashes like slips in one. */
function pathHint(name: string): string {
  return `; for a directory or file here, write './${name}'`;
}

/** Says what is wrong with a repository name by the Hub's rules, or undefined. */
function repositoryNameFault(name: string): string | undefined {
  if (name === "") return "it is empty";
  if (isUrl(name)) return "it is a URL; give only its ORG/NAME";
  const parts = name.split("/");
  if (parts.length === 1) return "it has no '/'";
  if (parts.length > 2) return "it has more than one '/'";
  for (const part of parts) {
    if (part === "") return "nothing stands on one side of the '/'";
    if (part.length > MAX_PART_LENGTH) return `a part is longer than ${MAX_PART_LENGTH} characters`;
    const odd = /[^A-Za-z0-9._-]/.exec(part);
    if (odd) return `${JSON.stringify(odd[0])} is not allowed: letters, digits, '-', '_' and '.' are`;
    if (part.includes("..") || part.includes("--")) return "'..' and '--' are not allowed";
    if (/^[.-]|[.-]$/.test(part)) return "a part can't start or end with '.' or '-'";
  }
  return undefined;
}

function invalid(text: string, fault: string): PunieError {
  return new PunieError(
    "INVALID_OPTION",
    `${JSON.stringify(text)} is not a model name: ${fault}. Expected ${ACCEPTED}.`,
  );
}
