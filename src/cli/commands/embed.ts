/** `punie embed`: texts as vectors. */
import { Command, Option } from "commander";
import { POOLINGS, type Pooling } from "../../models/embedding-model.js";
import { interruptible } from "../interrupt.js";
import { addModelOptions, loadOptions, type ModelFlags, modelName } from "../model-options.js";
import { positiveInteger } from "../numbers.js";
import { answer } from "../output.js";
import { readTexts } from "../read-texts.js";
import { StatusLine } from "../status-line.js";

interface EmbedFlags extends ModelFlags {
  file?: string;
  instruction?: string;
  pooling?: Pooling;
  dimensions?: number;
}

export function embedCommand(): Command {
  const command = new Command("embed")
    .argument("[texts...]", "the texts")
    .option("--file <file>", "texts from a file, one a line ('-' is stdin)")
    .option("--instruction <text>", "the task, for queries: 'Instruct: TASK', then 'Query:' before the text")
    .addOption(
      new Option(
        "--pooling <pooling>",
        "the last token's state, or the mean of all (default: the model's own)",
      ).choices(POOLINGS),
    )
    .option("--dimensions <n>", "keep the first n components (default: all)", positiveInteger);
  return addModelOptions(command)
    .addHelpText("after", EXAMPLES)
    .action((texts: string[], flags: EmbedFlags) => interruptible((signal) => run(texts, flags, command, signal)));
}

const EXAMPLES = `
Prints one JSON object; its "embeddings" are in the order of the texts.

Examples:
  $ punie embed --model mlx-community/Qwen3-Embedding-0.6B-4bit-DWQ "The capital of China is Beijing."
  $ punie embed --model ./my-model --instruction "Given a question, find passages that answer it" "What is gravity?"
  $ punie embed --model ./my-model --dimensions 256 --file passages.txt
`;

async function run(given: string[], flags: EmbedFlags, command: Command, signal: AbortSignal): Promise<void> {
  const texts = await readTexts(given, flags.file, (message) => command.error(`error: ${message}`));
  const { loadModel } = await import("../../api/load-model.js");
  const { instruction, pooling, dimensions } = flags;
  const status = new StatusLine();
  status.show("Loading the model...");
  try {
    const model = await loadModel(modelName(flags), { ...loadOptions(flags), signal });
    try {
      status.show(`Embedding ${texts.length} texts...`);
      const vectors = await model.embed(texts, { instruction, pooling, dimensions, signal });
      status.clear();
      answer(embeddingsJson(model.info.name, vectors));
    } finally {
      await model.dispose();
    }
  } finally {
    status.clear();
  }
}

/** A vector a line: a thousand lines for each would be read by nobody. */
function embeddingsJson(model: string, vectors: readonly Float32Array[]): string {
  const rows = vectors.map((vector) => `    [${Array.from(vector, shortest).join(",")}]`);
  const head = `{\n  "model": ${JSON.stringify(model)},\n  "dimensions": ${vectors[0]?.length ?? 0},\n`;
  return `${head}  "embeddings": [\n${rows.join(",\n")}\n  ]\n}\n`;
}

/** Nine digits say a float32 exactly. */
function shortest(value: number): string {
  return String(Number(value.toPrecision(9)));
}
