/** What can be typed, as every shell's script needs it. */
import type { Command, Option } from "commander";

export interface CompletionFlag {
  /** `-m` and `--model`. */
  names: string[];
  description: string;
  /** A value follows. */
  takesValue: boolean;
  /** The values there are; empty when it may be anything. */
  choices: string[];
}

export interface CompletionWord {
  name: string;
  description: string;
}

/** A command, or `punie` itself. */
export interface CompletionNode {
  /** As typed: `punie models show`. */
  path: string;
  words: CompletionWord[];
  flags: CompletionFlag[];
  subcommands: CompletionNode[];
}

/** The command and all below it. */
export function completionTree(command: Command, parents: readonly string[] = []): CompletionNode {
  const path = [...parents, command.name()];
  const help = command.createHelp();
  const commands = help
    .visibleCommands(command)
    .map((each) => ({ name: each.name(), description: each.description() }));
  const values = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  return {
    path: path.join(" "),
    words: [...commands, ...values.map((name) => ({ name, description: "" }))],
    flags: help.visibleOptions(command).map(toFlag),
    subcommands: [...command.commands.map((each) => completionTree(each, path)), ...helpNode(commands, path)],
  };
}

/** `help` takes the names of the commands beside it. */
function helpNode(commands: readonly CompletionWord[], path: readonly string[]): CompletionNode[] {
  const others = commands.filter(({ name }) => name !== "help");
  if (others.length === commands.length) return [];
  return [{ path: [...path, "help"].join(" "), words: others, flags: [], subcommands: [] }];
}

function toFlag(option: Option): CompletionFlag {
  return {
    names: [option.short, option.long].filter((name) => name !== undefined),
    description: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  };
}

/** The node and all below it, each before its own. */
export function allNodes(node: CompletionNode): CompletionNode[] {
  return [node, ...node.subcommands.flatMap(allNodes)];
}

/** As a word of a POSIX shell, and of zsh. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The branches of a `case` on "the command so far, the next word" that lead from a command into one below it. */
export function descents(root: CompletionNode): string[] {
  return allNodes(root).flatMap(({ subcommands }) => subcommands.map(({ path }) => quoted(path)));
}

/** The flags that a value follows, each as "the command, the flag", with the values there are. */
export function valueFlags(root: CompletionNode): { patterns: string[]; choices: string[] }[] {
  return allNodes(root).flatMap(({ path, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map(({ names, choices }) => ({ patterns: names.map((name) => quoted(`${path} ${name}`)), choices })),
  );
}
