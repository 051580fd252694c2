/** `punie` as commander sees it. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { packageFile } from "../package-root.js";
import { COMMANDS, type CommandEntry } from "./commands.js";
import { answer, complainOfUsage, noteText } from "./output.js";

/** @param isAsked Which commands are loaded; of the others only what the help lists is there. */
export async function createProgram(isAsked: (name: string) => boolean): Promise<Command> {
  const program = new Command("punie")
    .description("Run quantized language models inside this process, on Apple's MLX.")
    .version(packageVersion(), "-v, --version", "print the version")
    .helpCommand("help [command]", "print a command's help")
    // The others' arguments are not known until they are loaded, so that none are shown.
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .showSuggestionAfterError()
    .addHelpText("after", EXAMPLES);
  for (const entry of COMMANDS) program.addCommand(await createCommand(entry, isAsked(entry.name)));
  configure(program);
  return program;
}

async function createCommand({ name, description, create }: CommandEntry, isAsked: boolean): Promise<Command> {
  return (isAsked ? await create() : new Command(name)).description(description);
}

const EXAMPLES = `
Examples:
  $ punie download-model mlx-community/Qwen2.5-Coder-7B-Instruct-4bit
  $ punie generate --prompt "Write a Python function that adds two numbers."
  $ punie chat --model ./my-model
`;

/** Commander would exit, and write where it likes; both are ours to do. Subcommands don't inherit this by themselves. */
function configure(command: Command): void {
  command.exitOverride().configureOutput({
    writeOut: answer,
    writeErr: noteText,
    outputError: complainOfUsage,
  });
  for (const subcommand of command.commands) configure(subcommand);
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version;
}
