/** The loop of `punie chat`: read a message, answer it, until the input ends or the user leaves. */
import type { Model } from "../../api/model.js";
import type { RequestOptions } from "../../api/request.js";
import { complain, isNoteTerminal, note } from "../output.js";
import { printParts } from "../print-parts.js";
import { Conversation } from "./conversation.js";
import { type LineReader, readLines } from "./line-reader.js";
import { LEAVE, runSlashCommand } from "./slash-commands.js";

const EXIT_FAILED = 1;
const EXIT_INTERRUPTED = 130;
const EXIT_TERMINATED = 143;

export interface OpenedChat {
  model: Model;
  options: RequestOptions;
  system: string | undefined;
}

/**
 * Leaves `process.exitCode` at 130 or 143 when a signal ended it, and at 1 when a message that did not come from a
 * terminal could not be answered.
 *
 * @param open Loads the model.
 */
export async function runChat(open: (signal: AbortSignal) => Promise<OpenedChat>): Promise<void> {
  const chat = new Chat();
  const interrupt = () => chat.interrupt();
  const terminate = () => chat.leave(EXIT_TERMINATED);
  process.on("SIGINT", interrupt).on("SIGTERM", terminate);
  try {
    await chat.run(open);
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", terminate);
  }
}

class Chat {
  readonly #leaving = new AbortController();
  #lines: LineReader | undefined;
  #answering: AbortController | undefined;
  /** The last thing the user did was Ctrl-C. */
  #interrupted = false;

  /** Ctrl-C: stops the answer; pressed twice, or while loading, it leaves. */
  interrupt(): void {
    if (this.#interrupted || !this.#lines) {
      this.leave(EXIT_INTERRUPTED);
      return;
    }
    this.#interrupted = true;
    if (this.#answering) {
      this.#answering.abort();
      return;
    }
    this.#lines.discard();
    note("\nCtrl-C again leaves, as Ctrl-D does.");
    this.#lines.prompt();
  }

  leave(exitCode: number): void {
    // Asked twice: whatever is being waited for, the user won't.
    if (this.#leaving.signal.aborted) process.exit(exitCode);
    process.exitCode = exitCode;
    this.#leaving.abort();
    this.#answering?.abort();
    this.#lines?.close();
  }

  async run(open: (signal: AbortSignal) => Promise<OpenedChat>): Promise<void> {
    const left = this.#leaving.signal;
    const opened = await open(left).catch((error: unknown) => {
      if (left.aborted) return undefined;
      throw error;
    });
    if (!opened) return;
    const { model, options, system } = opened;
    this.#lines = readLines(
      () => this.interrupt(),
      () => {
        this.#interrupted = false;
      },
    );
    try {
      const conversation = new Conversation(model, options, system);
      if (isNoteTerminal()) note(`Chatting with ${model.info.name}. /help lists commands, Ctrl-D leaves.`);
      this.#lines.prompt();
      for await (const message of this.#lines.messages) {
        if (left.aborted) break;
        this.#interrupted = false;
        if (message.trim() !== "" && !(await this.#take(message, conversation, model))) break;
        if (!left.aborted) this.#lines.prompt();
      }
    } finally {
      this.#lines.close();
      await model.dispose();
    }
  }

  /** @returns False when the user wants to go. An error is told, and the chat goes on. */
  async #take(message: string, conversation: Conversation, model: Model): Promise<boolean> {
    try {
      if (!message.startsWith("/")) {
        await this.#answer(message, conversation);
        return true;
      }
      const told = await runSlashCommand(message, { conversation, peakBytes: () => model.memory().peakBytes });
      if (told === LEAVE) return false;
      note(told);
    } catch (error) {
      complain(error);
      // A message without an answer, and nobody is there to ask again.
      if (!message.startsWith("/") && process.stdin.isTTY !== true) process.exitCode = EXIT_FAILED;
    }
    return true;
  }

  async #answer(message: string, conversation: Conversation): Promise<void> {
    const answering = new AbortController();
    this.#answering = answering;
    try {
      await printParts(conversation.ask(message, answering.signal));
    } catch (error) {
      if (!answering.signal.aborted) throw error;
      if (isNoteTerminal() && !this.#leaving.signal.aborted) note("Stopped. Ctrl-C again leaves.");
    } finally {
      this.#answering = undefined;
    }
  }
}
