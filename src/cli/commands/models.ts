/** `punie models`: what is on this machine. */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Command } from "commander";
import { PunieError } from "../../errors.js";
import { formatBytes } from "../../format-bytes.js";
import { downloadCommand, shellQuote } from "../../models/download-command.js";
import { readTextFile } from "../../models/json-file.js";
import { bytesOnDisk, listModels, type ModelInfo } from "../../models/list-models.js";
import { longestContext } from "../../models/longest-context.js";
import { readManifest } from "../../models/manifest.js";
import { type ModelDirectory, openModelDirectory } from "../../models/model-directory.js";
import { parseModelName } from "../../models/model-name.js";
import { modelDirectory, modelsDirectory } from "../../models/places.js";
import { findRemovable, removeModel } from "../../models/remove-model.js";
import { type ResolvedModel, resolveModel } from "../../models/resolve-model.js";
import { type VerifiedFile, verifyModel } from "../../models/verify-model.js";
import { formatTable } from "../format-text.js";
import { importedDirectory } from "../imported-directory.js";
import { interruptible } from "../interrupt.js";
import { positiveInteger } from "../numbers.js";
import { answer, answerJson, note, noteStream } from "../output.js";
import { type CheckFlags, check } from "./models-check.js";

interface ModelsFlags {
  modelsDir?: string;
  json?: boolean;
  yes?: boolean;
}

export function modelsCommand(): Command {
  const models = new Command("models");
  const listing = withFlags(new Command("list").description("what is on disk, unfinished downloads too"));
  // As the default it gets what is no command's name, which is a slip to tell of as such.
  listing.allowExcessArguments().action(async (flags: ModelsFlags) => {
    const [unknown] = listing.args;
    if (unknown !== undefined) listing.error(`error: '${unknown}' is not one of ${commandNames(models)}`);
    await list(flags);
  });
  models.addCommand(listing, { isDefault: true });
  models.addCommand(
    named("show", "sizes, architecture, quantization and the model card").action((name: string, flags: ModelsFlags) =>
      interruptible((signal) => show(name, flags, signal)),
    ),
  );
  models.addCommand(named("verify", "hash every file again and compare").action(verify));
  models.addCommand(
    named("remove", "delete a model from the models directory").option("-y, --yes", "don't ask").action(remove),
  );
  models.addCommand(
    named("check", "say from the headers alone whether a model would run here, before it is downloaded")
      .option("--context-length <n>", "tokens to reckon the memory for", positiveInteger)
      .option("--revision <revision>", "branch, tag or commit on the Hub, whatever is here")
      .action((name: string, flags: CheckFlags) => interruptible((signal) => check(name, flags, signal))),
  );
  return models.addHelpText("after", EXAMPLES);
}

const EXAMPLES = `
Examples:
  $ punie models
  $ punie models show mlx-community/Qwen2.5-Coder-3B-Instruct-4bit
  $ punie models check mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit --context-length 8192
  $ punie models verify mlx-community/Qwen2.5-Coder-3B-Instruct-4bit
  $ punie models remove mlx-community/Qwen2.5-Coder-3B-Instruct-4bit --yes
`;

function commandNames(command: Command): string {
  return command.commands.map((subcommand) => subcommand.name()).join(", ");
}

function withFlags(command: Command): Command {
  return command
    .option("--models-dir <dir>", "where models lie (environment: PUNIE_MODELS_DIR; default: ~/.cache/punie/models)")
    .option("--json", "print JSON");
}

function named(name: string, description: string): Command {
  return withFlags(new Command(name).description(description).argument("<name>", "ORG/NAME, a path, or 'local'"));
}

async function list(flags: ModelsFlags): Promise<void> {
  const models = await listModels({ modelsDir: flags.modelsDir });
  if (flags.json) return answerJson(models);
  if (models.length === 0) {
    note(`No models in ${modelsDirectory(flags.modelsDir)}. See what there is with: punie download-model --list`);
    return;
  }
  const rows = models.map((model) => [
    model.name,
    formatBytes(model.bytes),
    quantizationText(model.quantization),
    model.commit?.slice(0, 12) ?? "-",
    stateText(model),
  ]);
  answer(`${formatTable([["Name", "Size", "Weights", "Commit", "State"], ...rows]).join("\n")}\n`);
  for (const model of models) {
    if (!model.complete) note(`Go on with: ${downloadCommand(model.name, flags.modelsDir)}`);
  }
}

function stateText(model: ModelInfo): string {
  if (!model.complete) return "partial";
  return model.source === "hugging-face-cache" ? "in the Hugging Face cache" : "complete";
}

function quantizationText(quantization: ModelInfo["quantization"]): string {
  if (quantization === null) return "-";
  const mode = quantization.mode === "affine" ? "" : ` ${quantization.mode}`;
  return `${quantization.bits}-bit${mode}, group ${quantization.groupSize}`;
}

const MAX_CARD_BYTES = 4 * 1024 * 1024;

async function show(name: string, flags: ModelsFlags, signal: AbortSignal): Promise<void> {
  const found = await directoryOf(await resolveModel(name, { modelsDir: flags.modelsDir }), flags, signal);
  const model = await openModelDirectory(found.path);
  const card = (await readTextFile(join(found.path, "README.md"), MAX_CARD_BYTES)) ?? null;
  if (flags.json) return answerJson({ ...summary(found, model), card });
  const { config } = model;
  const lines = [
    ["Name", found.name],
    ["Path", found.path],
    ["Architecture", model.modelType],
    ["Weights", `${formatBytes(model.weightBytes)}, ${weightsText(model)}`],
    ["Layers", `${config.hiddenLayers} of ${config.hiddenSize}, feed-forward ${config.intermediateSize}`],
    ["Attention", `${config.attentionHeads} heads of ${config.headDim}, ${config.keyValueHeads} for keys and values`],
    ["Vocabulary", `${config.vocabSize} tokens`],
    ["Context", `${longestContext(config)} tokens`],
  ];
  answer(`${formatTable(lines).join("\n")}\n`);
  if (card !== null) answer(`\n${withoutControls(withoutFrontMatter(card)).trim()}\n`);
}

/** A GGUF file is shown as what it is loaded as. */
async function directoryOf(
  found: ResolvedModel,
  { modelsDir }: ModelsFlags,
  signal: AbortSignal,
): Promise<ResolvedModel> {
  if (found.source !== "gguf") return found;
  return { ...found, path: await importedDirectory(found.path, { modelsDir, signal }) };
}

function summary(found: ResolvedModel, model: ModelDirectory) {
  const { path, modelType, config, weightBytes, eosTokenIds, generationDefaults } = model;
  const quantization = model.quantization ?? null;
  return { ...found, path, modelType, config, quantization, weightBytes, eosTokenIds, generationDefaults };
}

function weightsText({ quantization }: ModelDirectory): string {
  if (quantization === undefined) return "not quantized";
  const { mode, bits, groupSize } = quantization.defaults;
  const own = Object.keys(quantization.layers).length;
  const ownText = own === 0 ? "" : `, ${own} ${own === 1 ? "layer with its" : "layers with their"} own`;
  return `${bits}-bit${mode === "affine" ? "" : ` ${mode}`}, group ${groupSize}${ownText}`;
}

/** The YAML between two lines of `---` at the start of a model card is for the Hub. */
function withoutFrontMatter(card: string): string {
  return card.replace(/^\uFEFF?---\r?\n[\s\S]*?\r?\n---\r?\n/, "");
}

/** A stranger's text can't move the cursor or change the terminal. */
function withoutControls(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, "");
}

async function verify(name: string, flags: ModelsFlags): Promise<void> {
  await interruptible(async (signal) => {
    const found = await findToVerify(name, flags);
    const onFile = (file: VerifiedFile) => {
      if (!flags.json)
        answer(`${file.state === "ok" ? "✓" : "✗"} ${file.path} (${formatBytes(file.size)}): ${file.state}\n`);
    };
    const files = await verifyModel(found.path, { signal, onFile });
    if (flags.json) answerJson({ name: found.name, path: found.path, files });
    const wrong = files.filter((file) => file.state !== "ok");
    if (wrong.length === 0) return;
    const again =
      found.source === "models-dir" ? ` Fetch what is wrong again with: ${repairCommand(found, wrong, flags)}` : "";
    throw new PunieError(
      "MODEL_CORRUPT",
      `${found.path}: ${wrong.length} of ${files.length} files are not what was downloaded.${again}`,
    );
  });
}

/** A file that isn't there is fetched, and no other. */
function repairCommand({ path, name }: ResolvedModel, wrong: readonly VerifiedFile[], flags: ModelsFlags): string {
  const changed = wrong.filter((file) => file.state === "changed").map((file) => shellQuote(join(path, file.path)));
  const removal = changed.length === 0 ? "" : `rm ${changed.join(" ")} && `;
  return removal + downloadCommand(name, flags.modelsDir);
}

/** A download of ours is verified also when files are missing from it, and it doesn't count as a model. */
async function findToVerify(name: string, flags: ModelsFlags): Promise<ResolvedModel> {
  const parsed = parseModelName(name);
  if (parsed.kind === "repository") {
    const path = modelDirectory(parsed.repository, flags.modelsDir);
    if ((await readManifest(path)) !== undefined) return { path, name: parsed.repository, source: "models-dir" };
  }
  const found = await resolveModel(name, { modelsDir: flags.modelsDir });
  if (found.source !== "gguf") return found;
  throw new PunieError("MODEL_NOT_FOUND", `${name}: a GGUF file has no manifest to verify it against.`);
}

async function remove(name: string, flags: ModelsFlags): Promise<void> {
  await interruptible((signal) => findAndRemove(name, flags, signal));
}

async function findAndRemove(name: string, flags: ModelsFlags, signal: AbortSignal): Promise<void> {
  const parsed = parseModelName(name);
  if (parsed.kind === "path" && parsed.path.toLowerCase().endsWith(".gguf"))
    return await removeImport(name, parsed.path, flags);
  const model = await findRemovable(name, { modelsDir: flags.modelsDir });
  if (!flags.yes && !(await confirmed(model, flags, signal))) {
    note("Nothing was removed.");
    return;
  }
  const removed = await removeModel(name, { modelsDir: flags.modelsDir });
  if (flags.json) answerJson({ removed: removed.name, path: removed.path, bytes: removed.bytes });
  else answer(`Removed ${removed.name}: ${formatBytes(removed.bytes)} freed.\n`);
}

/** What was made of a GGUF file when it was loaded; the file is the user's. Loading it makes it again. */
async function removeImport(name: string, file: string, { modelsDir, json }: ModelsFlags): Promise<void> {
  const { findImport } = await import("../../convert/gguf/imported-gguf.js");
  const path = await findImport(file, modelsDir);
  if (path === undefined) throw new PunieError("MODEL_NOT_FOUND", `${name}: nothing was imported of it.`);
  const bytes = await bytesOnDisk(path);
  await rm(path, { recursive: true });
  if (json) answerJson({ removed: name, path, bytes });
  else answer(`Removed what was imported of ${name}: ${formatBytes(bytes)} freed. The file is still there.\n`);
}

async function confirmed(model: ModelInfo, flags: ModelsFlags, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY) {
    const dir = flags.modelsDir === undefined ? "" : ` --models-dir ${shellQuote(flags.modelsDir)}`;
    throw new PunieError(
      "INVALID_OPTION",
      `${model.path} (${formatBytes(model.bytes)}) is removed only when you say so: there is no terminal to ask on. ` +
        `Use: punie models remove ${model.name} --yes${dir}`,
    );
  }
  const reply = await ask(`Remove ${model.path} (${formatBytes(model.bytes)})? [y/N] `, signal);
  return /^y(es)?$/i.test(reply.trim());
}

/** The line that is typed; empty for Ctrl-D. Rejects with the signal's reason, which Ctrl-C brings about. */
async function ask(question: string, signal: AbortSignal): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: noteStream });
  try {
    return await new Promise<string>((resolve, reject) => {
      // Readline takes Ctrl-C as a key; for us it is the signal that it is everywhere else.
      terminal.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
      signal.addEventListener("abort", () => {
        note("");
        reject(signal.reason);
      });
      terminal.once("close", () => resolve(""));
      terminal.question(question, resolve);
    });
  } finally {
    terminal.close();
  }
}
