/** `punie models check`: from the headers alone, would a model run here? It may be here, or on the Hub. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ModelNotDownloadedError } from "../../errors.js";
import { formatBytes } from "../../format-bytes.js";
import type { DownloadOptions } from "../../hub/download-options.js";
import type { StandIn } from "../../hub/stand-in.js";
import { resolveModel } from "../../models/resolve-model.js";
import { type CheckOptions, checkModel, type ModelCheck } from "../check-model.js";
import { checkText } from "../check-text.js";
import { importedDirectory } from "../imported-directory.js";
import { answer, answerJson, note } from "../output.js";

export interface CheckFlags {
  modelsDir?: string;
  contextLength?: number;
  revision?: string;
  json?: boolean;
}

/** Sets exit code 1 when the model would not run. */
export async function check(name: string, flags: CheckFlags, signal: AbortSignal): Promise<void> {
  const { contextLength, modelsDir } = flags;
  const local = await findHere(name, flags, signal);
  const download = { modelsDir, revision: flags.revision, signal };
  const checked = local
    ? { name, path: local, ...(await checkModel(local, { contextLength })) }
    : await checkOnHub(name, download, { contextLength });
  if (flags.json) answerJson(checked);
  else answer(`${checked.name}:\n${checkText(checked, "hub" in checked ? [fetchRow(checked.hub)] : [])}\n`);
  if (!checked.runs) process.exitCode = 1;
}

/** The directory, unless the Hub is to be asked: for what isn't here, and for a revision by name. */
async function findHere(name: string, { modelsDir, revision }: CheckFlags, signal: AbortSignal) {
  if (revision !== undefined) return undefined;
  try {
    const { path, source } = await resolveModel(name, { modelsDir });
    if (source !== "gguf") return path;
    return await importedDirectory(path, { modelsDir, signal });
  } catch (error) {
    if (!(error instanceof ModelNotDownloadedError)) throw error;
    if (error.advice !== undefined) note(error.advice);
    return undefined;
  }
}

export interface HubCheck extends ModelCheck {
  name: string;
  hub: StandIn;
}

/** Fetches no more than headers and small files, into a place that is removed again. */
export async function checkOnHub(name: string, download: DownloadOptions, options: CheckOptions): Promise<HubCheck> {
  const { makeStandIn } = await import("../../hub/stand-in.js");
  const directory = await mkdtemp(join(tmpdir(), "punie-check-"));
  try {
    const hub = await makeStandIn(name, directory, download);
    return {
      name: hub.repository,
      hub,
      ...(await checkModel(directory, { ...options, hasTokenizer: hub.hasTokenizer })),
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function fetchRow({ fetchBytes, totalBytes, peekedBytes, commit }: StandIn): [string, string] {
  const here = totalBytes - fetchBytes;
  const part = here > 0 ? ` of ${formatBytes(totalBytes)}` : "";
  return [
    "To fetch",
    `${formatBytes(fetchBytes)}${part}, commit ${commit.slice(0, 12)}; ${formatBytes(peekedBytes)} were read for this`,
  ];
}
