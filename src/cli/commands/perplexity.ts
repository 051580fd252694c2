/** `punie perplexity`: how well a model foretells a text. */
import { Command } from "commander";
import type { PerplexityProgress, PerplexityResult } from "../../api/perplexity.js";
import { PunieError } from "../../errors.js";
import { interruptible } from "../interrupt.js";
import { addModelOptions, loadOptions, type ModelFlags, modelName } from "../model-options.js";
import { positiveInteger, tokenIds } from "../numbers.js";
import { answer, answerJson } from "../output.js";
import { readInputText } from "../read-input.js";
import { StatusLine } from "../status-line.js";

interface PerplexityFlags extends ModelFlags {
  ids?: boolean;
  sequenceLength?: number;
  stride?: number;
  maxSequences?: number;
  json?: boolean;
}

export function perplexityCommand(): Command {
  const command = new Command("perplexity").argument("<file>", "the text ('-' is stdin)");
  return addModelOptions(command)
    .option("--ids", "the file holds token ids, such as 1,2,3, in place of text")
    .option("--sequence-length <n>", "tokens of a window, each read anew (default: 512)", positiveInteger)
    .option("--stride <n>", "tokens from one window to the next (default: the window's length)", positiveInteger)
    .option("--max-sequences <n>", "read only so many windows (default: all)", positiveInteger)
    .option("--json", "print one JSON object")
    .addHelpText("after", EXAMPLES)
    .action((file: string, flags: PerplexityFlags) => interruptible((signal) => run(file, flags, signal)));
}

const EXAMPLES = `
Windows are whole: what is left at the text's end is not read, unless the text is shorter than one.

Examples:
  $ punie perplexity --model ./my-model wiki.test.raw
  $ punie perplexity --model ./my-model wiki.test.raw --sequence-length 2048 --stride 1024 --json
`;

async function run(file: string, flags: PerplexityFlags, signal: AbortSignal): Promise<void> {
  const { loadModel } = await import("../../api/load-model.js");
  const { sequenceLength, stride, maxSequences } = flags;
  const text = await readInputText("the file", file);
  const status = new StatusLine();
  status.show("Loading the model...");
  try {
    const model = await loadModel(modelName(flags), { ...loadOptions(flags), signal });
    try {
      const onProgress = (progress: PerplexityProgress) => status.show(progressText(progress));
      const options = { sequenceLength, stride, maxSequences, signal, onProgress };
      const result = await model.perplexity(flags.ids ? readIds(file, text) : text, options);
      status.clear();
      if (flags.json) answerJson({ model: model.info.name, file, ...result });
      else answer(`${resultText(result)}\n`);
    } finally {
      await model.dispose();
    }
  } finally {
    status.clear();
  }
}

/** @throws PunieError `INVALID_OPTION` */
function readIds(file: string, text: string): number[] {
  try {
    return tokenIds(text);
  } catch (cause) {
    throw new PunieError("INVALID_OPTION", `${file}: expected token ids with commas between, such as 1,2,3.`, {
      cause,
    });
  }
}

function progressText({ windows, totalWindows, perplexity }: PerplexityProgress): string {
  return `Window ${windows} of ${totalWindows}, perplexity ${perplexity.toFixed(4)}`;
}

function resultText({ perplexity, standardError, scoredTokens, windows, sequenceLength }: PerplexityResult): string {
  const error = standardError === null ? "" : ` ± ${standardError.toFixed(4)}`;
  const of = `${scoredTokens} tokens in ${windows} ${windows === 1 ? "window" : "windows"} of ${sequenceLength}`;
  return `Perplexity: ${perplexity.toFixed(4)}${error} (${of})`;
}
