/** Reads the command line, runs its command, and says how that went as an exit code. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { COMMANDS, type CommandEntry } from "./commands.js";
import { answer, complain, complainOfUsage, leaveWhenStdoutCloses, noteText } from "./output.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const VERSION_FLAGS = ["-v", "--version"];

/** @param args What follows `punie`. @returns The exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  leaveWhenStdoutCloses();
  try {
    const program = await createProgram(args);
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return EXIT_USAGE;
    }
    await program.parseAsync(args, { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    complain(error);
    return EXIT_FAILED;
  }
}

/** Only the command that is asked for is loaded; help, and a name that is not known, need them all. */
async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command("punie")
    .description("Run quantized language models inside this process, on Apple's MLX.")
    .version(packageVersion(), VERSION_FLAGS.join(", "), "print the version")
    .helpCommand("help [command]", "print a command's help")
    .showSuggestionAfterError()
    .addHelpText("after", EXAMPLES);
  for (const { create } of commandsFor(args)) program.addCommand(await create());
  configure(program);
  return program;
}

function commandsFor([first, second]: readonly string[]): readonly CommandEntry[] {
  if (first !== undefined && VERSION_FLAGS.includes(first)) return [];
  const asked = COMMANDS.filter(({ name }) => name === (first === "help" ? second : first));
  return asked.length > 0 ? asked : COMMANDS;
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

/** `src/cli` and `dist/cli` lie equally deep in the package. */
function packageVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
