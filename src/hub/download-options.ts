import { PunieError } from "../errors.js";
import { parseModelName } from "../models/model-name.js";
import type { Environment } from "../models/places.js";
import type { OnProgress } from "./download-events.js";
import type { OpenFile } from "./partial-file.js";
import type { RetryPolicy } from "./retry.js";

export interface DownloadOptions {
  /** Models directory. Default: `PUNIE_MODELS_DIR`, else `~/.cache/punie/models`. */
  modelsDir?: string | undefined;
  /** Branch, tag or commit. Default `main`. */
  revision?: string | undefined;
  /** Globs: only files that match one. Default: what a model needs. */
  include?: readonly string[] | undefined;
  /** Globs: no file that matches one. */
  exclude?: readonly string[] | undefined;
  /** Access token. Default: `HF_TOKEN`, else the file that `hf auth login` writes. */
  token?: string | undefined;
  /** Fetch everything anew, whatever is there. Default false. */
  force?: boolean | undefined;
  /** When the model is there and the Hub has a newer commit, fetch what differs. Default false: tell, and leave it. */
  update?: boolean | undefined;
  /** Most bytes a second, over all connections. Default: no limit. */
  maxRate?: number | undefined;
  /** Connections at a time, 1 to 16. Default 8. */
  connections?: number | undefined;
  /** Default: one that goes through the proxies of the environment. */
  fetch?: typeof fetch | undefined;
  /** Stops the download; what has come is kept, and the same call goes on with it. */
  signal?: AbortSignal | undefined;
  onProgress?: OnProgress | undefined;
  /** Default: the process's environment. */
  env?: Environment | undefined;
  /** @internal For tests. */
  retry?: RetryPolicy | undefined;
  /** @internal For tests: milliseconds without a byte after which a connection is replaced. */
  stallMs?: number | undefined;
  /** @internal For tests: most bytes that one connection is given at a time. */
  partBytes?: number | undefined;
  /** @internal For tests. */
  openFile?: OpenFile | undefined;
  /** @internal For tests: bytes that are free on the file system of a directory. */
  freeBytes?: ((directory: string) => Promise<number>) | undefined;
}

const MAX_CONNECTIONS = 16;
const MAX_REVISION_LENGTH = 255;

/**
 * The repository that a name means, after a look at all options.
 *
 * @throws PunieError `INVALID_OPTION`, naming the option.
 */
export function checkDownloadOptions(name: string, options: DownloadOptions): string {
  const parsed = parseModelName(name);
  if (parsed.kind === "path") {
    throw new PunieError("INVALID_OPTION", `${name} is a path: expected a repository of the Hub, ORG/NAME.`);
  }
  const { revision, maxRate, connections, include, exclude } = options;
  if (revision !== undefined && !isRevision(revision)) {
    throw invalid("revision", "a branch, tag or commit", revision);
  }
  if (maxRate !== undefined && !(Number.isFinite(maxRate) && maxRate > 0)) {
    throw invalid("maxRate", "a number of bytes a second above 0", maxRate);
  }
  if (
    connections !== undefined &&
    !(Number.isInteger(connections) && connections >= 1 && connections <= MAX_CONNECTIONS)
  ) {
    throw invalid("connections", `a whole number from 1 to ${MAX_CONNECTIONS}`, connections);
  }
  for (const [option, globs] of Object.entries({ include, exclude })) {
    if (
      globs !== undefined &&
      (!Array.isArray(globs) || globs.some((glob) => typeof glob !== "string" || glob === ""))
    ) {
      throw invalid(option, "a list of globs", globs);
    }
  }
  return parsed.repository;
}

/** What git allows in a name, near enough, and nothing that would change the meaning of a URL. */
function isRevision(text: string): boolean {
  return text.length <= MAX_REVISION_LENGTH && /^[A-Za-z0-9][A-Za-z0-9._/+-]*$/.test(text) && !text.includes("..");
}

function invalid(option: string, expected: string, got: unknown): PunieError {
  return new PunieError("INVALID_OPTION", `${option}: expected ${expected}, got ${JSON.stringify(got)}.`);
}
