/** What `punie generate` is to read, from the flags that say so. */
import type { GenerateRequest, MessagesRequest } from "../api/request.js";
import type { ChatMessageInput } from "../chat/messages.js";
import { PunieError } from "../errors.js";
import { readInputJson, readInputText } from "./read-input.js";

export interface PromptFlags {
  prompt?: string;
  promptFile?: string;
  promptIds?: number[];
  messages?: string;
  tools?: string;
  raw?: boolean;
  system?: string;
}

/** @param misuse Ends the command with a message about its usage. */
export async function generateRequest(
  flags: PromptFlags,
  misuse: (message: string) => never,
): Promise<GenerateRequest> {
  const { prompt, promptFile, promptIds, messages, tools, raw, system } = flags;
  const given = [prompt, promptFile, promptIds, messages].filter((value) => value !== undefined).length;
  if (given !== 1) {
    const found = given === 0 ? "none" : `${given} of them`;
    misuse(`give one of --prompt, --prompt-file, --prompt-ids and --messages; found ${found}`);
  }
  if (raw && messages !== undefined) misuse("--raw skips the chat template, which --messages needs");
  if (tools !== undefined && (raw || promptIds))
    misuse("--tools needs the chat template, which --raw and --prompt-ids skip");
  if (system !== undefined && (raw || promptIds))
    misuse("--system needs the chat template, which --raw and --prompt-ids skip");
  if (system !== undefined && messages !== undefined) misuse("--system goes with one prompt; --messages has its own");

  if (promptIds) return { prompt: promptIds };
  const text = promptFile === undefined ? prompt : await readInputText("--prompt-file", promptFile);
  if (text === "") throw new PunieError("INVALID_OPTION", "The prompt is empty: expected a text.");
  if (text !== undefined && raw) return { prompt: text };
  const turns = messages === undefined ? promptTurns(text ?? "", system) : await readInputJson("--messages", messages);
  // Checked by the API, like everything a caller gives it.
  const request = { messages: turns } as MessagesRequest;
  return tools === undefined
    ? request
    : ({ ...request, tools: await readInputJson("--tools", tools) } as MessagesRequest);
}

function promptTurns(prompt: string, system: string | undefined): ChatMessageInput[] {
  const user: ChatMessageInput = { role: "user", content: prompt };
  return system === undefined ? [user] : [{ role: "system", content: system }, user];
}
