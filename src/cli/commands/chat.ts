/** `punie chat`: a conversation in the terminal, or over a pipe, one message per line. */
import { Command } from "commander";
import { addModelOptions, loadOptions, type ModelFlags, modelName } from "../model-options.js";
import { addSamplingOptions, type SamplingFlags, samplingOptions } from "../sampling-options.js";

interface ChatFlags extends ModelFlags, SamplingFlags {
  system?: string;
}

export function chatCommand(): Command {
  const command = new Command("chat").option("--system <text>", "the system message");
  addModelOptions(command);
  addSamplingOptions(command, "the model's own, else ");
  return command.addHelpText("after", EXAMPLES).action((flags: ChatFlags) => chat(flags, command));
}

const EXAMPLES = `
Sampling options that are not given are the model's own (generation_config.json), where it has them.

Examples:
  $ punie chat
  $ punie chat --model ./my-model --system "Answer in one sentence." --temperature 0.7
  $ printf 'Hello\\nAnd again\\n' | punie chat
`;

async function chat(flags: ChatFlags, command: Command): Promise<void> {
  const options = await samplingOptions(flags, command);
  const { loadModel } = await import("../../api/load-model.js");
  const { runChat } = await import("../chat/run-chat.js");
  await runChat(async (signal) => {
    const model = await loadModel(modelName(flags), { ...loadOptions(flags), signal });
    return { model, options: { ...model.generationDefaults, ...options }, system: flags.system };
  });
}
