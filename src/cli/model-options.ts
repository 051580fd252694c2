/** The options of every command that loads a model: which one, where from, and what it runs on. */
import type { Command } from "commander";
import { Option } from "commander";
import type { LoadOptions, LoadProgress } from "../api/load-options.js";
import { formatBytes } from "../format-bytes.js";
import { positiveInteger } from "./numbers.js";
import { note } from "./output.js";
import { StatusLine } from "./status-line.js";

export interface ModelFlags {
  model?: string;
  modelsDir?: string;
  device: "auto" | "cpu" | "metal" | "cuda";
  threads?: number;
  contextLength?: number | "auto";
  adapter?: string;
}

/** Adds `--model`, `--models-dir`, `--device`, `--threads`, `--context-length` and `--adapter`. */
export function addModelOptions(command: Command): Command {
  return command
    .option(
      "-m, --model <name>",
      "ORG/NAME, the path of a directory or a .gguf file, or 'local' (environment: PUNIE_MODEL)",
    )
    .option("--models-dir <dir>", "where models lie (environment: PUNIE_MODELS_DIR)")
    .addOption(
      new Option("--device <device>", "what to run on").choices(["auto", "cpu", "metal", "cuda"]).default("auto"),
    )
    .option("--threads <n>", "threads of the CPU kernels (default: one per physical core)", positiveInteger)
    .option(
      "--context-length <n>",
      "most tokens of prompt and answer together, or 'auto': as many as fit",
      contextLength,
    )
    .option("--adapter <dir>", "a LoRA or DoRA adapter, as mlx-lm or PEFT writes it");
}

function contextLength(text: string): number | "auto" {
  return text === "auto" ? text : positiveInteger(text);
}

/** The model that was asked for: the flag, else `PUNIE_MODEL`, else the default one. */
export function modelName(flags: Pick<ModelFlags, "model">): string {
  return flags.model ?? (process.env.PUNIE_MODEL || "local");
}

/** What `loadModel` takes of the flags. */
export function loadOptions(flags: ModelFlags): LoadOptions {
  return {
    modelsDir: flags.modelsDir,
    device: flags.device,
    threads: flags.threads,
    contextLength: flags.contextLength,
    adapter: flags.adapter,
    onProgress: tellImport(),
  };
}

/** A GGUF file that is loaded for the first time takes a while, and room on the disk: that is said. */
export function tellImport(): (progress: LoadProgress) => void {
  const line = new StatusLine();
  let said = false;
  return (progress) => {
    if (progress.phase !== "import") return;
    const { file, writtenBytes, totalBytes } = progress;
    if (!said) note(`Importing ${file} as an MLX model, ${formatBytes(totalBytes)}, once...`);
    said = true;
    if (writtenBytes < totalBytes) line.show(`Importing: ${Math.floor((writtenBytes / totalBytes) * 100)}%`);
    else line.clear();
  };
}
