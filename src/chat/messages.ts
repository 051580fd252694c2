/** Messages and tools as callers may send them, checked and brought to the one form that templates read. */
import { z } from "zod";
import { PunieError } from "../errors.js";
import { issueText } from "../issue-text.js";
import { parseExact } from "./exact-json.js";

/** A call that an assistant turn made. `arguments` is an object here; callers may send its JSON text. */
export interface ChatToolCall {
  id?: string;
  type: "function";
  function: { name: string; arguments: Record<string, unknown> };
}

/** One turn, as templates read it. Keys beyond these are kept as they came. */
export interface ChatMessage {
  role: string;
  content: string;
  tool_calls?: ChatToolCall[];
  /** Of a tool's answer: the call that it answers. */
  tool_call_id?: string;
  name?: string;
  /** What the model thought before it answered. */
  reasoning_content?: string;
  [key: string]: unknown;
}

/** One turn, as callers may send it. Other keys may be there too, and reach the template. */
export interface ChatMessageInput {
  role: string;
  content?: string | null | { type: string; text?: string }[];
  tool_calls?:
    | {
        id?: string | null;
        type?: string;
        function: { name: string; arguments?: string | Record<string, unknown> | null };
      }[]
    | null;
  tool_call_id?: string | null;
  name?: string | null;
  reasoning_content?: string | null;
}

/** A function that the model may call, in the form of OpenAI's API. `parameters` is a JSON schema. */
export interface ToolDefinition {
  type: "function";
  function: {
    name: string;
    description?: string;
    parameters?: Record<string, unknown>;
  };
}

const textPart = z.looseObject({
  type: z.enum(["text", "input_text", "output_text"], { error: "only text parts are supported" }),
  text: z.string(),
});

const toolCallArguments = z.unknown().transform((value, context): Record<string, unknown> => {
  const parsed = typeof value === "string" ? parseJson(value.trim() === "" ? "{}" : value) : (value ?? {});
  if (isObject(parsed)) return parsed;
  context.addIssue({ code: "custom", message: "expected an object, or the JSON text of one" });
  return z.NEVER;
});

const toolCall = z.looseObject({
  id: z.string().nullish(),
  type: z.literal("function").default("function"),
  function: z.looseObject({ name: z.string().min(1), arguments: toolCallArguments }),
});

const message = z.looseObject({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: z
    .union([z.string(), z.array(textPart)], { error: "expected text, null or an array of text parts" })
    .nullish(),
  tool_calls: z.array(toolCall).nullish(),
  tool_call_id: z.string().nullish(),
  name: z.string().nullish(),
  reasoning_content: z.string().nullish(),
});

const tool = z.looseObject({
  type: z.literal("function"),
  function: z.looseObject({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
  }),
});

/**
 * Checks messages and brings them to one form: `content` is text ("" when absent), arguments of calls are objects,
 * keys with null are dropped, as transformers does. Throws `INVALID_OPTION` that names the place, such as
 * `messages[2].tool_calls[0].function.arguments`.
 */
export function normalizeMessages(messages: unknown): ChatMessage[] {
  const parsed = check(z.array(message).min(1, "expected at least one message"), messages, "messages");
  return parsed.map((turn) => {
    const content =
      typeof turn.content === "string" ? turn.content : (turn.content ?? []).map((part) => part.text).join("");
    const { tool_calls: calls, ...rest } = withoutNulls(turn);
    const normalized = { ...rest, role: turn.role, content } as ChatMessage;
    if (Array.isArray(calls) && calls.length > 0)
      normalized.tool_calls = calls.map(withoutNulls) as unknown as ChatToolCall[];
    return normalized;
  });
}

/** Checks tools. Throws `INVALID_OPTION` that names the place, or the name that two tools share. */
export function normalizeTools(tools: unknown): ToolDefinition[] {
  const parsed = check(z.array(tool), tools, "tools");
  const names = new Set<string>();
  for (const [i, { function: declared }] of parsed.entries()) {
    if (names.has(declared.name)) {
      throw new PunieError("INVALID_OPTION", `tools[${i}].function.name: '${declared.name}' is declared twice.`);
    }
    names.add(declared.name);
  }
  return parsed as ToolDefinition[];
}

function check<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = (issue?.path ?? []).map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  throw new PunieError("INVALID_OPTION", `${name}${path}: ${issueText(issue)}.`);
}

function withoutNulls<T extends object>(value: T): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== null && item !== undefined));
}

function parseJson(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
