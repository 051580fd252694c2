/** The options of every command that loads a model: which one, where from, and what it runs on. */
import type { Command } from "commander";
import { Option } from "commander";
import type { LoadOptions } from "../api/load-options.js";
import { positiveInteger } from "./numbers.js";

export interface ModelFlags {
  model?: string;
  modelsDir?: string;
  device: "auto" | "cpu" | "metal" | "cuda";
  threads?: number;
  contextLength?: number;
  adapter?: string;
}

/** Adds `--model`, `--models-dir`, `--device`, `--threads`, `--context-length` and `--adapter`. */
export function addModelOptions(command: Command): Command {
  return command
    .option("-m, --model <name>", "ORG/NAME, a path, or 'local' for the default model (environment: PUNIE_MODEL)")
    .option("--models-dir <dir>", "where models lie (environment: PUNIE_MODELS_DIR)")
    .addOption(
      new Option("--device <device>", "what to run on").choices(["auto", "cpu", "metal", "cuda"]).default("auto"),
    )
    .option("--threads <n>", "threads of the CPU kernels (default: one per physical core)", positiveInteger)
    .option("--context-length <n>", "most tokens of prompt and answer together", positiveInteger)
    .option("--adapter <dir>", "a LoRA or DoRA adapter, as mlx-lm or PEFT writes it");
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
  };
}
