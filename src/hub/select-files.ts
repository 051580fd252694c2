import { PunieError } from "../errors.js";
import { compileGlob } from "./glob.js";
import type { HubFile } from "./hub-client.js";

export interface Selection {
  /** Globs: only files that match one. Default: what a model needs. */
  include?: readonly string[] | undefined;
  /** Globs: no file that matches one. */
  exclude?: readonly string[] | undefined;
}

/** What a model needs, of the files at the top of a repository: weights, configuration, tokenizer, template, licence. */
const NEEDED = [
  /\.safetensors$/,
  /\.json$/,
  /\.jinja$/,
  /^tokenizer\.model$/,
  /\.tiktoken$/,
  /^(vocab|merges)\.txt$/,
  /^README\.md$/i,
  /^(LICEN[CS]E|NOTICE)/i,
];

/** And of those below: an embedding model's pooling, and templates beside the first. */
const NEEDED_BELOW = [/^1_Pooling\/config\.json$/, /^additional_chat_templates\/[^/]+\.jinja$/];

/** Weights a second time, in the layout of their author's own program. */
const DUPLICATE_WEIGHTS = /^consolidated.*\.safetensors/;

/**
 * The files that are to be fetched.
 *
 * @throws PunieError `INVALID_OPTION` when nothing matches `include`; `MODEL_UNSUPPORTED` when none was given and the
 * repository has no safetensors weights.
 */
export function selectFiles(files: readonly HubFile[], selection: Selection, repository: string): HubFile[] {
  const { include, exclude = [] } = selection;
  const excluded = exclude.map(compileGlob);
  const hasModelWeights = files.some((file) => /^model.*\.safetensors$/.test(file.path));
  const included = include?.map(compileGlob);
  const wanted = files.filter(({ path }) => {
    if (excluded.some((glob) => glob.test(path))) return false;
    if (included) return included.some((glob) => glob.test(path));
    return isNeeded(path) && !(hasModelWeights && DUPLICATE_WEIGHTS.test(path));
  });
  if (wanted.length === 0 && included) {
    throw new PunieError(
      "INVALID_OPTION",
      `No file of '${repository}' matches ${include?.join(" ")}. It has: ${some(files)}.`,
    );
  }
  if (!included && exclude.length === 0 && !wanted.some(({ path }) => path.endsWith(".safetensors"))) {
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `'${repository}' has no safetensors weights, which is what punie runs. It has: ${some(files)}.`,
    );
  }
  return wanted;
}

function isNeeded(path: string): boolean {
  return (path.includes("/") ? NEEDED_BELOW : NEEDED).some((pattern) => pattern.test(path));
}

const MAX_SHOWN = 8;

function some(files: readonly HubFile[]): string {
  if (files.length === 0) return "no files";
  const shown = files.slice(0, MAX_SHOWN).map((file) => JSON.stringify(file.path.slice(0, 100)));
  return files.length > MAX_SHOWN ? `${shown.join(", ")} and ${files.length - MAX_SHOWN} more` : shown.join(", ");
}
