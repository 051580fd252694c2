/** Runs a command line, and says how that went as an exit code. */
import { CommanderError } from "commander";
import { PunieError } from "../errors.js";
import { COMMANDS } from "./commands.js";
import { withFlagName } from "./flag-names.js";
import { complain } from "./output.js";
import { createProgram } from "./program.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** @param args What follows `punie`. @returns The exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  const asked = askedFor(args);
  try {
    const program = await createProgram((name) => name === asked);
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return EXIT_USAGE;
    }
    await program.parseAsync(withoutHelpFor(args, asked), { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
    complain(withFlagName(error));
    return isUsage(error) ? EXIT_USAGE : EXIT_FAILED;
  }
}

/** A value that is wrong wherever it is tried; not one that this machine refuses, such as a port that is taken. */
function isUsage(error: unknown): boolean {
  return error instanceof PunieError && error.code === "INVALID_OPTION" && !hasSystemCode(error.cause);
}

function hasSystemCode(cause: unknown): boolean {
  return cause instanceof Error && "syscall" in cause;
}

/** Asked for help on a command that isn't there, commander prints the help of all: without the word it says so. */
function withoutHelpFor(args: readonly string[], asked: string | undefined): readonly string[] {
  const isUnknown = asked !== undefined && asked !== "help" && !COMMANDS.some(({ name }) => name === asked);
  return args[0] === "help" && isUnknown ? [asked] : args;
}

/** The command that will run, or whose help will be printed. `punie` itself has no options with values. */
function askedFor(args: readonly string[]): string | undefined {
  const [first, second] = args.filter((arg) => !arg.startsWith("-"));
  return first === "help" ? second : first;
}
