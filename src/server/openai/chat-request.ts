/** From the body of `POST /v1/chat/completions` to a request of the model. */
import type { z } from "zod";
import { parseExact } from "../../chat/exact-json.js";
import { PunieError } from "../../errors.js";
import { issueText } from "../../issue-text.js";
import { HttpError } from "../http-error.js";
import type { ServedDefaults, ServedMessage, ServedRequest, ServedTool } from "../served-model.js";
import { type ChatBody, type ChatBodyMessage, chatSchema } from "./chat-schema.js";
import { refuseUnsupported } from "./unsupported.js";

/** Seeds are whole numbers below this; OpenAI allows negative ones, which are mapped into the range. */
const SEEDS = 2 ** 53;

/** @throws HttpError 400 that names the first field that is wrong or can't be honoured. */
export function parseChatBody(value: unknown): ChatBody {
  const parsed = chatSchema.safeParse(value);
  if (!parsed.success) throw invalidBody(parsed.error);
  refuseUnsupported(parsed.data);
  return parsed.data;
}

function invalidBody(error: z.ZodError): HttpError {
  const [issue] = error.issues;
  const param = (issue?.path ?? [])
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("");
  const where = param.replace(/^\./, "");
  const message = where === "" ? "The body must be a JSON object." : `${where}: ${issueText(issue)}.`;
  return new HttpError(400, message, { param: where, code: "invalid_value", cause: error });
}

/** What the model is asked: the body's fields over the `defaults`; what neither has is left to the model. */
export function toServedRequest(body: ChatBody, defaults: ServedDefaults, signal: AbortSignal): ServedRequest {
  const tools = body.tool_choice === "none" ? undefined : body.tools?.map(toServedTool);
  return {
    messages: body.messages.map(toServedMessage),
    signal,
    ...defaults,
    ...present({
      tools: tools?.length ? tools : undefined,
      maxTokens: body.max_completion_tokens ?? body.max_tokens,
      temperature: body.temperature,
      topP: body.top_p,
      topK: body.top_k,
      minP: body.min_p,
      repetitionPenalty: body.repetition_penalty,
      presencePenalty: body.presence_penalty,
      frequencyPenalty: body.frequency_penalty,
      logitBias: body.logit_bias,
      seed: body.seed != null && body.seed < 0 ? body.seed + SEEDS : body.seed,
      stop: typeof body.stop === "string" ? [body.stop] : body.stop,
      logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    }),
  };
}

/** What the API's options are called in a body. */
const FIELDS: Readonly<Record<string, string>> = {
  maxTokens: "max_completion_tokens",
  temperature: "temperature",
  topP: "top_p",
  topK: "top_k",
  minP: "min_p",
  repetitionPenalty: "repetition_penalty",
  presencePenalty: "presence_penalty",
  frequencyPenalty: "frequency_penalty",
  logitBias: "logit_bias",
  seed: "seed",
  stop: "stop",
  logprobs: "top_logprobs",
  tools: "tools",
  messages: "messages",
};

/** The model's own refusal of an option, such as a token id that it hasn't, by the name that the client knows it by. */
export function fieldError(error: unknown): unknown {
  if (!(error instanceof PunieError) || error.code !== "INVALID_OPTION") return error;
  const [, option = "", place = ""] = /^(\w+)([^\s:]*): /.exec(error.message) ?? [];
  const field = Object.hasOwn(FIELDS, option) ? FIELDS[option] : undefined;
  if (field === undefined) return error;
  const message = field + error.message.slice(option.length);
  return new HttpError(400, message, { param: field + place, code: "invalid_value", cause: error });
}

type Present<T> = { [K in keyof T]?: NonNullable<T[K]> };

/** The object without its undefined and null members. */
function present<T extends object>(object: T): Present<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value != null)) as Present<T>;
}

function toServedTool({
  type,
  function: { name, description, parameters },
}: NonNullable<ChatBody["tools"]>[number]): ServedTool {
  return { type, function: { name, ...present({ description, parameters }) } };
}

function toServedMessage(message: ChatBodyMessage, index: number): ServedMessage {
  const where = `messages[${index}]`;
  const calls = message.tool_calls?.map((call, number) => ({
    id: call.id,
    type: "function" as const,
    function: {
      name: call.function.name,
      arguments: parseArguments(call.function.arguments, `${where}.tool_calls[${number}].function.arguments`),
    },
  }));
  return {
    // OpenAI's newer name for the same.
    role: message.role === "developer" ? "system" : message.role,
    content: joinContent(message.content),
    ...present({
      reasoning_content: message.reasoning_content,
      tool_call_id: message.tool_call_id,
      tool_calls: calls?.length ? calls : undefined,
    }),
  };
}

function joinContent(content: ChatBodyMessage["content"]): string {
  if (typeof content === "string") return content;
  return (content ?? []).map(({ text }) => text).join("");
}

/** Clients send a call's arguments as JSON text, an empty one for none; templates want the object. */
function parseArguments(given: string | Record<string, unknown>, param: string): Record<string, unknown> {
  if (typeof given !== "string") return given;
  if (given.trim() === "") return {};
  try {
    const value = parseExact(given);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Told below, as what isn't an object is.
  }
  throw new HttpError(400, `${param}: expected the JSON text of an object.`, { param, code: "invalid_value" });
}
