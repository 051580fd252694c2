/** What a line that begins with `/` does in `punie chat`. */
import { access, writeFile } from "node:fs/promises";
import { PunieError } from "../../errors.js";
import { readInputJson } from "../read-input.js";
import { statsText } from "../stats.js";
import type { Conversation } from "./conversation.js";

interface SlashCommand {
  usage: string;
  does: string;
  /** @returns What to tell the user, or `leave`. */
  run: (argument: string, context: SlashContext) => Promise<string | typeof LEAVE>;
}

export interface SlashContext {
  conversation: Conversation;
  peakBytes: () => number;
}

/** The user wants to go. */
export const LEAVE = Symbol("leave");

const COMMANDS: Readonly<Record<string, SlashCommand>> = {
  help: { usage: "/help", does: "list these commands", run: async () => helpText() },
  clear: {
    usage: "/clear",
    does: "forget the conversation; the system message stays",
    run: async (_, { conversation }) => {
      conversation.clear();
      return "The conversation is cleared.";
    },
  },
  system: {
    usage: "/system [TEXT]",
    does: "show the system message, or set it",
    run: async (text, { conversation }) => {
      if (text !== "") conversation.system = text;
      return conversation.system === undefined
        ? "There is no system message."
        : `System message: ${conversation.system}`;
    },
  },
  save: {
    usage: "/save FILE",
    does: "write the conversation as JSON, for /load and for generate --messages",
    run: async (file, { conversation }) => {
      requireFile("/save", file);
      const replaced = await access(file).then(
        () => ", in place of what was there",
        () => "",
      );
      await writeFile(file, `${JSON.stringify(conversation.messages, null, 2)}\n`).catch((cause: Error) => {
        throw new PunieError("INVALID_OPTION", `/save ${file}: can't be written: ${cause.message}`, { cause });
      });
      return `Saved ${conversation.messages.length} messages in ${file}${replaced}.`;
    },
  },
  load: {
    usage: "/load FILE",
    does: "go on with a saved conversation",
    run: async (file, { conversation }) => {
      requireFile("/load", file);
      conversation.replace(await readInputJson("/load", file));
      return `Loaded ${conversation.messages.length} messages from ${file}.`;
    },
  },
  stats: {
    usage: "/stats",
    does: "what the last answer took",
    run: async (_, { conversation, peakBytes }) =>
      conversation.lastFinish ? statsText(conversation.lastFinish, peakBytes()) : "There is no answer yet.",
  },
  exit: { usage: "/exit", does: "leave, as Ctrl-D does", run: async () => LEAVE },
};

/** @param line What the user typed, beginning with `/`. @throws PunieError `INVALID_OPTION` */
export async function runSlashCommand(line: string, context: SlashContext): Promise<string | typeof LEAVE> {
  const [, name = "", argument = ""] = /^\/(\S*)\s*([\s\S]*)$/.exec(line) ?? [];
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) {
    const advice = "/help lists the commands. A message may begin with '/' after a space.";
    throw new PunieError("INVALID_OPTION", `There is no command '/${name}'. ${advice}`);
  }
  return command.run(argument.trim(), context);
}

function requireFile(command: string, file: string): void {
  if (file === "") throw new PunieError("INVALID_OPTION", `${command}: expected the name of a file.`);
}

function helpText(): string {
  const rows = Object.values(COMMANDS).map(({ usage, does }) => `  ${usage.padEnd(16)}${does}`);
  return [...rows, "A line that ends with \\ goes on in the next. Ctrl-C stops an answer; twice, it leaves."].join(
    "\n",
  );
}
