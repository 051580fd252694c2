/** `punie generate`: one answer. */
import { Command } from "commander";
import type { Model } from "../../api/model.js";
import type { GenerateRequest, PromptProgress } from "../../api/request.js";
import { generateRequest, type PromptFlags } from "../generate-request.js";
import { interruptible } from "../interrupt.js";
import { addModelOptions, loadOptions, type ModelFlags, modelName } from "../model-options.js";
import { integer, tokenIds } from "../numbers.js";
import { answer, answerJson, isNoteTerminal, note } from "../output.js";
import { printParts } from "../print-parts.js";
import { addSamplingOptions, type SamplingFlags, samplingOptions } from "../sampling-options.js";
import { statsText } from "../stats.js";
import { StatusLine } from "../status-line.js";

interface GenerateFlags extends ModelFlags, SamplingFlags, PromptFlags {
  ignoreEos?: boolean;
  logprobs?: number;
  json?: boolean;
  stats?: boolean;
}

export function generateCommand(): Command {
  const command = new Command("generate")
    .allowExcessArguments() // told below, with what they are to be instead
    .option("-p, --prompt <text>", "one user message, through the model's chat template (raw text with --raw)")
    .option("--prompt-file <file>", "the same, from a file ('-' is stdin)")
    .option("--prompt-ids <ids>", "token ids, such as 1,2,3, as they stand", tokenIds)
    .option("--system <text>", "the system message before the prompt")
    .option("--messages <file>", "a JSON file with an array of messages ('-' is stdin)")
    .option("--tools <file>", "a JSON file with an array of tools that the model may call")
    .option("--raw", "no chat template: the model goes on from the prompt's text");
  addModelOptions(command);
  addSamplingOptions(command)
    .option("--ignore-eos", "go on past the model's end tokens, to --max-tokens")
    .option("--logprobs <n>", "with --json: each token's log-probability, and the n best", integer)
    .option("--json", "print one JSON object at the end instead")
    .option("--stats", "print tokens/s and times on stderr, also when it is no terminal");
  return command.addHelpText("after", EXAMPLES).action(async (flags: GenerateFlags) => {
    const { ignoreEos, logprobs } = flags;
    if (command.args.length > 0)
      command.error("error: a prompt is given with --prompt TEXT, a model with --model NAME");
    if (logprobs !== undefined && !flags.json) command.error("error: --logprobs needs --json, which prints them");
    const options = { ...(await samplingOptions(flags, command)), ignoreEos, logprobs };
    const request = await generateRequest(flags, (message) => command.error(`error: ${message}`));
    await interruptible((signal) => generate(flags, { ...request, ...options, signal }, signal));
  });
}

const EXAMPLES = `
Examples:
  $ punie generate --prompt "Write a Python function that adds two numbers."
  $ punie generate --raw --prompt "def add(" --max-tokens 64 --stop $'\\n\\n'
  $ punie generate --messages conversation.json --tools tools.json --json
`;

async function generate(flags: GenerateFlags, request: GenerateRequest, signal: AbortSignal): Promise<void> {
  const { loadModel } = await import("../../api/load-model.js");
  const status = new StatusLine();
  status.show("Loading the model...");
  try {
    const model = await loadModel(modelName(flags), { ...loadOptions(flags), signal });
    try {
      await answerRequest(model, flags, { ...request, onPromptProgress: promptStatus(status) });
    } finally {
      await model.dispose();
    }
  } finally {
    status.clear();
  }
}

/** Told chunk by chunk; the last comes before the answer begins. */
function promptStatus(status: StatusLine): (progress: PromptProgress) => void {
  return ({ processed, total }) => {
    if (processed < total) status.show(`Reading the prompt: ${processed} of ${total} tokens`);
    else status.clear();
  };
}

async function answerRequest(model: Model, flags: GenerateFlags, request: GenerateRequest): Promise<void> {
  if (flags.json) answerJson(await model.generate(request));
  else if (!model.info.hasTokenizer) await printIds(model, request);
  else {
    const finish = await printParts(model.stream(request));
    if (flags.stats || isNoteTerminal()) note(statsText(finish, model.memory().peakBytes));
  }
}

/** A directory without a tokenizer answers in token ids. */
async function printIds(model: Model, request: GenerateRequest): Promise<void> {
  const { tokens } = await model.generate(request);
  answer(`${tokens.map(({ id }) => id).join(",")}\n`);
}
