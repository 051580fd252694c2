/** `punie download-model`: a model from the Hub into the models directory. */
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { PunieError } from "../../errors.js";
import { formatBytes } from "../../format-bytes.js";
import type { DownloadEvent } from "../../hub/download-events.js";
import type { DownloadPlan, DownloadResult } from "../../hub/download-model.js";
import type { DownloadOptions } from "../../hub/download-options.js";
import { checkDownloadOptions } from "../../hub/download-options.js";
import { CATALOG, DEFAULT_MODEL } from "../../models/catalog.js";
import { isModelThere } from "../../models/completeness.js";
import { shellQuote } from "../../models/download-command.js";
import { repositoryFault } from "../../models/model-name.js";
import { modelDirectory } from "../../models/places.js";
import type { ModelCheck } from "../check-model.js";
import { checkText } from "../check-text.js";
import type { DownloadDisplay } from "../download-display.js";
import { formatTable } from "../format-text.js";
import { interruptible } from "../interrupt.js";
import { answer, answerJson, isNoteTerminal, note } from "../output.js";
import type { HubCheck } from "./models-check.js";

interface DownloadFlags {
  list?: boolean;
  modelsDir?: string;
  revision?: string;
  include?: string[];
  exclude?: string[];
  dryRun?: boolean;
  force?: boolean;
  update?: boolean;
  maxRate?: number;
  quiet?: boolean;
  json?: boolean;
}

export function downloadModelCommand(): Command {
  return new Command("download-model")
    .argument("[name]", `ORG/NAME (default: PUNIE_MODEL, else ${DEFAULT_MODEL})`)
    .option("--list", "list models that are known to work well, and fetch nothing")
    .option("--models-dir <dir>", "where models lie (environment: PUNIE_MODELS_DIR; default: ~/.cache/punie/models)")
    .option("--revision <revision>", "branch, tag or commit (default: main)")
    .option("--include <glob>", "fetch only files that match; may be repeated", collect)
    .option("--exclude <glob>", "fetch no file that matches; may be repeated", collect)
    .option(
      "--dry-run",
      "list the files, their sizes and the room there is, say whether the model would run here, and fetch nothing",
    )
    .option("--force", "fetch everything anew, whatever is there")
    .option("--update", "when the model is there and the Hub has a newer one, fetch what differs")
    .option("--max-rate <rate>", "most bytes a second, such as 500K or 10M", byteRate)
    .option("--quiet", "print nothing but errors")
    .option("--json", "print events as lines of JSON, the last one the result or the error")
    .addHelpText("after", EXAMPLES)
    .action(async (name: string | undefined, flags: DownloadFlags) => {
      if (flags.list) return await list(flags);
      const repository = checkDownloadOptions(repositoryName(name), flags);
      await interruptible((signal) =>
        flags.dryRun ? dryRun(repository, flags, signal) : download(repository, flags, signal),
      );
    });
}

const EXAMPLES = `
Ctrl-C stops it and keeps what has come. Afterwards: punie models list, verify, remove.
Access to gated and private models: set HF_TOKEN, or run 'hf auth login' once.
Network: HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE; HF_ENDPOINT for a mirror; HF_HUB_OFFLINE=1 to ask nobody.

Examples:
  $ punie download-model --list
  $ punie download-model mlx-community/Qwen2.5-Coder-3B-Instruct-4bit --dry-run
  $ punie download-model mlx-community/Qwen2.5-Coder-3B-Instruct-4bit
`;

/** What is to be fetched, by the Hub's name: here a path is none, and no advice to write one helps. */
function repositoryName(given: string | undefined): string {
  const model = given ?? (process.env.PUNIE_MODEL || "local");
  const fault = repositoryFault(model);
  if (fault === undefined) return model;
  const source = given === undefined ? "PUNIE_MODEL: " : "";
  throw new PunieError(
    "INVALID_OPTION",
    `${source}${JSON.stringify(model)} is no repository of the Hub: ${fault}. Expected ORG/NAME; ` +
      "some that work well: punie download-model --list",
  );
}

async function download(repository: string, flags: DownloadFlags, signal: AbortSignal): Promise<void> {
  const { downloadModel } = await import("../../hub/download-model.js");
  if (!flags.quiet && !flags.json) {
    note(`Downloading ${repository}...`);
    note(`Target directory: ${modelDirectory(repository, flags.modelsDir)}`);
  }
  const display = await createDisplay(flags);
  let settled: DownloadEvent | undefined;
  const onProgress = (event: DownloadEvent) => {
    if (event.type === "up-to-date" || event.type === "update-available" || event.type === "not-checked")
      settled = event;
    if (flags.json) answerLine(event.type === "retry" ? { ...event, waitMs: Math.round(event.waitMs) } : event);
    else display?.show(event);
  };
  try {
    const result = await downloadModel(repository, { ...downloadOptions(flags), signal, onProgress });
    display?.stop();
    if (flags.json) answerLine({ type: "done", ...result });
    else if (!flags.quiet) answer(resultText(repository, flags, result, settled));
  } catch (error) {
    display?.stop();
    if (flags.json && error instanceof PunieError)
      answerLine({ type: "error", code: error.code, message: error.message });
    if (signal.aborted) note(`Interrupted. What has come is kept; go on with: ${sameCommand(repository, flags)}`);
    throw error;
  }
}

/** An event as a line of JSON. */
function answerLine(event: object): void {
  answer(`${JSON.stringify(event)}\n`);
}

/** The library's part of the flags. */
function downloadOptions({
  modelsDir,
  revision,
  include,
  exclude,
  force,
  update,
  maxRate,
}: DownloadFlags): DownloadOptions {
  return { modelsDir, revision, include, exclude, force, update, maxRate };
}

async function createDisplay(flags: DownloadFlags): Promise<DownloadDisplay | undefined> {
  if (flags.quiet || flags.json) return undefined;
  const { BarDisplay, LineDisplay } = await import("../download-display.js");
  return isNoteTerminal() ? new BarDisplay() : new LineDisplay();
}

function resultText(
  repository: string,
  flags: DownloadFlags,
  result: DownloadResult,
  settled: DownloadEvent | undefined,
): string {
  const { path, commit } = result;
  const lines: string[] = [];
  if (settled === undefined) lines.push("✓ Model downloaded successfully!");
  else if (settled.type === "update-available") {
    lines.push(`✓ Model is already downloaded, at commit ${commit.slice(0, 12)}.`);
    lines.push(
      `The Hub has a newer one, ${settled.latest.slice(0, 12)}. Get it with: ${sameCommand(repository, { ...flags, update: true })}`,
    );
  } else if (settled.type === "up-to-date") {
    lines.push(`✓ Model is already downloaded and up to date (commit ${commit.slice(0, 12)}).`);
  } else lines.push(`✓ Model is already downloaded (commit ${commit.slice(0, 12)}).`);
  lines.push(`Location: ${path}`);
  lines.push(useText(repository, flags, result));
  return `${lines.join("\n")}\n`;
}

/** What to do with it, which depends on the files that were chosen. */
function useText(repository: string, flags: DownloadFlags, { path, files }: DownloadResult): string {
  const ending = (suffix: string) => files.find((file) => file.path.endsWith(suffix))?.path;
  if (ending(".safetensors") !== undefined) {
    return `Use with: punie serve --model local:${repository}${modelsDirFlag(flags)}`;
  }
  const gguf = ending(".gguf");
  if (gguf !== undefined) return `Use with: punie serve --model ${shellQuote(join(path, gguf))}`;
  const { include: _, exclude: __, ...all } = flags;
  return `No weights are among the files that were chosen. Fetch all with: ${sameCommand(repository, all)}`;
}

/** The command that goes on with this download, with the options that say what is fetched. */
function sameCommand(repository: string, flags: DownloadFlags): string {
  const words = ["punie download-model", repository];
  if (flags.revision !== undefined) words.push("--revision", shellQuote(flags.revision));
  for (const glob of flags.include ?? []) words.push("--include", shellQuote(glob));
  for (const glob of flags.exclude ?? []) words.push("--exclude", shellQuote(glob));
  if (flags.update) words.push("--update");
  return words.join(" ") + modelsDirFlag(flags);
}

function modelsDirFlag({ modelsDir }: DownloadFlags): string {
  return modelsDir === undefined ? "" : ` --models-dir ${shellQuote(modelsDir)}`;
}

async function dryRun(repository: string, flags: DownloadFlags, signal: AbortSignal): Promise<void> {
  const { planDownload } = await import("../../hub/download-model.js");
  const options = { ...downloadOptions(flags), signal };
  const plan = await planDownload(repository, options);
  // Who chooses files has another use for them than to run them here.
  const isWhole = flags.include === undefined && flags.exclude === undefined;
  const checked = isWhole ? await (await import("./models-check.js")).checkOnHub(repository, options, {}) : undefined;
  if (flags.json) answerJson({ ...plan, ...(checked && { check: checkResult(checked) }) });
  else answer(planText(plan) + (checked ? `${checkText(checked)}\n` : ""));
}

/** The plan tells already what is fetched. */
function checkResult({ name: _, hub: __, ...check }: HubCheck): ModelCheck {
  return check;
}

function planText(plan: DownloadPlan): string {
  const rows = plan.files.map(({ path, size, have }) => [path, formatBytes(size), presence(size, have)]);
  const here = plan.totalBytes - plan.fetchBytes;
  return [
    `${plan.repository} at commit ${plan.commit.slice(0, 12)}:`,
    ...formatTable([["File", "Size", "Here"], ...rows]),
    `Total: ${plan.files.length} files, ${formatBytes(plan.totalBytes)}; already here: ${formatBytes(here)}; to fetch: ${formatBytes(plan.fetchBytes)}`,
    `Free: ${formatBytes(plan.freeBytes)} for ${plan.path}${plan.freeBytes < plan.fetchBytes ? " - not enough" : ""}`,
    "",
  ].join("\n");
}

function presence(size: number, have: number): string {
  if (have >= size) return "yes";
  return have === 0 ? "no" : `${Math.floor((have / size) * 100)}%`;
}

async function list(flags: DownloadFlags): Promise<void> {
  const models = await Promise.all(
    CATALOG.map(async (model) => ({
      ...model,
      downloaded: await isModelThere(modelDirectory(model.name, flags.modelsDir)),
    })),
  );
  if (flags.json) return answerJson(models);
  const rows = models.map(({ name, size, description, downloaded }) => [
    name,
    size,
    description,
    downloaded ? "✓ downloaded" : "",
  ]);
  const lines = ["Available models:", "", ...formatTable([["Name", "Size", "Description"], ...rows])];
  answer(`${lines.join("\n")}\n\nDownload with: punie download-model <model-name>\n`);
}

function collect(value: string, previous: string[] = []): string[] {
  return [...previous, value];
}

const RATE_UNITS: Record<string, number> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

function byteRate(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B?(?:\/s)?)$/i.exec(text);
  const rate = match ? Number(match[1]) * (RATE_UNITS[(match[2] as string).toUpperCase()] as number) : 0;
  if (rate >= 1) return rate;
  throw new InvalidArgumentError("Expected bytes a second, such as 500K or 10M.");
}
