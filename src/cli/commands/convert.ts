/** `punie convert`: a Hugging Face directory, one in MLX's form or a GGUF file → an MLX model directory. */
import { stat } from "node:fs/promises";
import { Command, Option } from "commander";
import type { ConvertOptions, ConvertResult } from "../../convert/convert-model.js";
import { lossText } from "../../convert/loss.js";
import { MIXED_RECIPES, QUANTIZATION_MODES } from "../../convert/quantization-choice.js";
import { CONVERSION_DTYPES } from "../../convert/source-config.js";
import type { ConvertProgress } from "../../convert/write-weights.js";
import { formatBytes } from "../../format-bytes.js";
import { shellQuote } from "../../models/download-command.js";
import { resolveModel } from "../../models/resolve-model.js";
import { loadBinding } from "../../native/binding.js";
import { interruptible } from "../interrupt.js";
import { positiveInteger } from "../numbers.js";
import { answer, answerJson, isNoteTerminal, note } from "../output.js";
import { StatusLine } from "../status-line.js";

interface ConvertFlags extends Pick<ConvertOptions, "mode" | "bits" | "groupSize" | "mixed" | "dtype" | "adapter"> {
  output: string;
  modelsDir?: string;
  json?: boolean;
}

export function convertCommand(): Command {
  return new Command("convert")
    .argument("<source>", "a model directory, a .gguf file, or the name of a downloaded model")
    .requiredOption("-o, --output <dir>", "the directory to make; it must not be there yet")
    .addOption(
      new Option("--mode <mode>", "how to quantize the weights (affine, where only bits or groups are given)").choices(
        QUANTIZATION_MODES,
      ),
    )
    .option("--bits <n>", "bits a weight: 2 3 4 5 6 8 for affine (else 4)", positiveInteger)
    .option("--group-size <n>", "weights that share a scale: 32 64 128 for affine (else 64)", positiveInteger)
    .addOption(new Option("--mixed <recipe>", "more bits where they matter most").choices(MIXED_RECIPES))
    .addOption(
      new Option("--dtype <type>", "of what is not quantized, and of scales (default: the source's)").choices(
        Object.keys(CONVERSION_DTYPES),
      ),
    )
    .option("--adapter <dir>", "a LoRA or DoRA adapter to fuse into the weights")
    .option("--models-dir <dir>", "where models lie that are named (environment: PUNIE_MODELS_DIR)")
    .option("--json", "print one JSON object")
    .addHelpText("after", EXAMPLES)
    .action((source: string, flags: ConvertFlags) => interruptible((signal) => run(source, flags, signal)));
}

const EXAMPLES = `
Weights are quantized when one of --mode, --bits, --group-size and --mixed is given; else they stay as they are.
GGUF's Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 and floats are carried over without loss; what its K types lose is told.

Examples:
  $ punie convert ./Qwen2.5-Coder-7B-Instruct --output ./qwen-4bit --bits 4
  $ punie convert ./Qwen2.5-Coder-7B-Instruct --output ./qwen-mixed --mixed mixed_4_6
  $ punie convert ./Qwen3-8B --output ./qwen3-mxfp4 --mode mxfp4
  $ punie convert ./qwen-4bit --adapter ./my-adapter --output ./qwen-tuned
  $ punie convert ./qwen2.5-coder-7b-q4_k_m.gguf --output ./qwen
`;

async function run(source: string, flags: ConvertFlags, signal: AbortSignal): Promise<void> {
  const { convertModel } = await import("../../convert/convert-model.js");
  const path = await findSource(source, flags);
  const display = new ConvertDisplay();
  const { mode, bits, groupSize, mixed, dtype, adapter } = flags;
  try {
    const options = { mode, bits, groupSize, mixed, dtype, adapter, signal, onProgress: display.show };
    const result = await convertModel(loadBinding(), path, flags.output, options);
    display.stop();
    if (flags.json) answerJson(result);
    else answer(resultText(result));
  } finally {
    display.stop();
  }
}

/** A path that is there needs no `./`. */
async function findSource(source: string, { modelsDir }: ConvertFlags): Promise<string> {
  const isThere = await stat(source).then(
    () => true,
    () => false,
  );
  return isThere ? source : (await resolveModel(source, { modelsDir })).path;
}

function resultText({ path, bytes, shards, bitsPerWeight, losses }: ConvertResult): string {
  const files = shards === 1 ? "1 file" : `${shards} files`;
  return [
    `✓ Converted: ${formatBytes(bytes)} in ${files}, ${bitsPerWeight.toFixed(3)} bits per weight.`,
    ...losses.map((loss) => `  ${lossText(loss)}`),
    `Location: ${path}`,
    `Use with: punie generate --model ${shellQuote(path)} --prompt TEXT`,
    "",
  ].join("\n");
}

const LINE_EVERY_MS = 5_000;

/** How far it is: one line of a terminal, or now and then a line. */
class ConvertDisplay {
  readonly #line = new StatusLine();
  #saidAt = performance.now();

  readonly show = ({ tensor, writtenBytes, totalBytes }: ConvertProgress): void => {
    const share = totalBytes === 0 ? 100 : Math.floor((writtenBytes / totalBytes) * 100);
    const text = `${share}% ${formatBytes(writtenBytes)} of ${formatBytes(totalBytes)}`;
    if (isNoteTerminal()) this.#line.show(`${text} ${tensor}`.slice(0, MAX_LINE));
    else if (performance.now() - this.#saidAt >= LINE_EVERY_MS) {
      this.#saidAt = performance.now();
      note(text);
    }
  };

  stop(): void {
    this.#line.clear();
  }
}

const MAX_LINE = 79;
