/** `punie rerank`: documents by their relevance to a query. */
import { Command } from "commander";
import { interruptible } from "../interrupt.js";
import { addModelOptions, loadOptions, type ModelFlags, modelName } from "../model-options.js";
import { answerJson } from "../output.js";
import { readTexts } from "../read-texts.js";
import { StatusLine } from "../status-line.js";

interface RerankFlags extends ModelFlags {
  query: string;
  file?: string;
  instruction?: string;
}

export function rerankCommand(): Command {
  const command = new Command("rerank")
    .argument("[documents...]", "the documents")
    .requiredOption("--query <text>", "what they are to be relevant to")
    .option("--file <file>", "documents from a file, one a line ('-' is stdin)")
    .option("--instruction <text>", "what makes a document relevant (default: Qwen3-Reranker's, for web search)");
  return addModelOptions(command)
    .addHelpText("after", EXAMPLES)
    .action((given: string[], flags: RerankFlags) => interruptible((signal) => run(given, flags, command, signal)));
}

const EXAMPLES = `
For Qwen3-Reranker models. Prints one JSON object; its "results" are best first, scores from 0 to 1.

Examples:
  $ punie rerank --model ./Qwen3-Reranker-0.6B --query "What is gravity?" "A force." "A city in China."
  $ punie rerank --model ./Qwen3-Reranker-0.6B --query "What is gravity?" --file passages.txt
`;

async function run(given: string[], flags: RerankFlags, command: Command, signal: AbortSignal): Promise<void> {
  const documents = await readTexts(given, flags.file, (message) => command.error(`error: ${message}`));
  const { loadModel } = await import("../../api/load-model.js");
  const { query, instruction } = flags;
  const status = new StatusLine();
  status.show("Loading the model...");
  try {
    const model = await loadModel(modelName(flags), { ...loadOptions(flags), signal });
    try {
      status.show(`Judging ${documents.length} documents...`);
      const ranked = await model.rerank(query, documents, { instruction, signal });
      status.clear();
      const results = ranked.map(({ index, score }) => ({ index, score, document: documents[index] }));
      answerJson({ model: model.info.name, query, results });
    } finally {
      await model.dispose();
    }
  } finally {
    status.clear();
  }
}
