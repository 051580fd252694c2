/** Finds a model's chat template and renders messages with it, as transformers' `apply_chat_template` does. */
import { join } from "node:path";
import { PunieError } from "../errors.js";
import { readJsonObject, readTextFile } from "../models/json-file.js";
import { TOOL_TEMPLATE_FILE } from "../models/tool-template.js";
import { WorkerThread } from "../worker/worker-thread.js";
import { stringifyExact } from "./exact-json.js";
import { type ChatMessage, normalizeMessages, normalizeTools } from "./messages.js";
import type { RenderRequest } from "./template-worker.js";

/** Real templates have up to 20 KiB. */
const MAX_TEMPLATE_BYTES = 1 * 2 ** 20;
const MAX_CONFIG_BYTES = 16 * 2 ** 20;
const HEAP_MIB = 256;
/** Rendering takes milliseconds; the rest is for a thread that starts on a busy machine. */
const RENDER_TIMEOUT_MS = 5_000;

/** A template that never says `tools` doesn't write them. */
const NAMES_TOOLS = /\btools\b/;

const DEFAULT = "default";
/** The template for requests with tools, where a model has one of its own. */
const TOOL_USE = "tool_use";

/** One that never says it takes the role for none, and would leave the turn out. */
const NAMES_DEVELOPER = /\bdeveloper\b/;

/** Special tokens that a template may write, by the names it knows them by. */
const SPECIAL_TOKEN_NAMES = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
] as const;

export interface ChatTemplateOptions {
  tools?: readonly unknown[] | undefined;
  /** Begin the assistant's turn, so that the model answers. Default true. */
  addGenerationPrompt?: boolean | undefined;
  /** Further variables that the template reads, such as `enable_thinking`. */
  variables?: Record<string, unknown> | undefined;
  /** What `strftime_now` tells. Default: the time of the call. */
  now?: Date | undefined;
}

/** A template's text, and the file that it stands in, for messages. */
interface TemplateText {
  text: string;
  source: string;
}

/** A model's templates: `default`, and `TOOL_USE` where there is one. */
type Templates = ReadonlyMap<string, TemplateText>;

export class ChatTemplate {
  readonly #thread: WorkerThread;
  readonly #found: Templates | undefined;
  readonly #specialTokens: Record<string, string>;
  readonly #directory: string;

  constructor(directory: string, found: Templates | undefined, specialTokens: Record<string, string>) {
    this.#directory = directory;
    this.#found = found;
    this.#specialTokens = specialTokens;
    this.#thread = new WorkerThread({
      entry: "chat/template-worker.js",
      heapMiB: HEAP_MIB,
      subject: `The chat template (${found?.get(DEFAULT)?.source ?? "none"}) of ${directory}`,
    });
  }

  /** False for a base model: its prompts are raw text. */
  get present(): boolean {
    return this.#found !== undefined;
  }

  /** The template's text for requests without tools. */
  get text(): string | undefined {
    return this.#found?.get(DEFAULT)?.text;
  }

  /** tokenizer_config.json's `eos_token`. */
  get endOfText(): string | undefined {
    return this.#specialTokens.eos_token;
  }

  /**
   * The prompt for these messages. Special tokens in it are text: encode it with `parseSpecial`.
   * Throws `INVALID_OPTION` for messages that are malformed or that the template refuses, and for tools that it never
   * writes; `MODEL_UNSUPPORTED` without a template, `MODEL_CORRUPT` for one that is broken, endless or too large.
   */
  async render(messages: unknown, options: ChatTemplateOptions = {}): Promise<string> {
    const turns = normalizeMessages(messages);
    const tools = options.tools && options.tools.length > 0 ? normalizeTools(options.tools) : undefined;
    const template = (tools && this.#found?.get(TOOL_USE)) ?? this.#found?.get(DEFAULT);
    if (template === undefined) {
      throw new PunieError(
        "MODEL_UNSUPPORTED",
        `${this.#directory} has no chat template, so it takes no messages. Give it raw text: --raw, or prompt in the API.`,
      );
    }
    if (tools && !NAMES_TOOLS.test(template.text)) {
      throw new PunieError(
        "INVALID_OPTION",
        `tools: the chat template (${template.source}) of ${this.#directory} has no place for them: ` +
          "the model would never see them. Leave them out, or take a model that knows tools.",
      );
    }
    const request: RenderRequest = {
      template: template.text,
      source: template.source,
      variables: plainJson({
        ...this.#specialTokens,
        ...options.variables,
        messages: turns.map(NAMES_DEVELOPER.test(template.text) ? withReasoningNames : forSystem),
        tools: tools ?? null,
        documents: null,
        add_generation_prompt: options.addGenerationPrompt ?? true,
      }),
      now: (options.now ?? new Date()).getTime(),
    };
    return (await this.#thread.request(request, { timeoutMs: RENDER_TIMEOUT_MS })) as string;
  }

  /** Ends the thread. Idempotent. */
  close(): Promise<void> {
    return this.#thread.close();
  }
}

/**
 * Looks for chat_template.jinja (and one for tools in additional_chat_templates), then tokenizer_config.json's
 * `chat_template` (text or a named list), then chat_template.json. A model without one is no error until it is asked to render. Throws `MODEL_CORRUPT` for files
 * that can't be read.
 */
export async function loadChatTemplate(directory: string): Promise<ChatTemplate> {
  const config = (await readJsonObject(join(directory, "tokenizer_config.json"), MAX_CONFIG_BYTES)) ?? {};
  const found =
    (await fromJinjaFile(directory)) ??
    fromField(config.chat_template, "tokenizer_config.json", directory) ??
    (await fromJsonFile(directory));
  return new ChatTemplate(directory, found, specialTokensOf(config));
}

async function fromJinjaFile(directory: string): Promise<Templates | undefined> {
  const found = new Map<string, TemplateText>();
  for (const [name, source] of [
    [DEFAULT, "chat_template.jinja"],
    [TOOL_USE, TOOL_TEMPLATE_FILE],
  ] as const) {
    const text = await readTextFile(join(directory, source), MAX_TEMPLATE_BYTES);
    if (text !== undefined) found.set(name, { text, source });
  }
  return found.has(DEFAULT) ? found : undefined;
}

async function fromJsonFile(directory: string): Promise<Templates | undefined> {
  const source = "chat_template.json";
  const json = await readJsonObject(join(directory, source), MAX_TEMPLATE_BYTES);
  return fromField(json?.chat_template, source, directory);
}

/** A template's text, or a list of `{name, template}`. */
function fromField(field: unknown, source: string, directory: string): Templates | undefined {
  if (field === undefined || field === null) return undefined;
  if (typeof field === "string") return new Map([[DEFAULT, { text: field, source }]]);
  const found = new Map<string, TemplateText>();
  for (const entry of Array.isArray(field) ? (field as unknown[]) : []) {
    const { name, template } = (entry ?? {}) as { name?: unknown; template?: unknown };
    if (typeof name === "string" && typeof template === "string") found.set(name, { text: template, source });
  }
  if (!found.has(DEFAULT)) {
    const expected = "expected text, or a list of {name, template} with one named default";
    throw new PunieError("MODEL_CORRUPT", `${source} in ${directory}: chat_template: ${expected}.`);
  }
  return found;
}

/** A token stands as text, or as an object with `content`. */
function specialTokensOf(config: Record<string, unknown>): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of SPECIAL_TOKEN_NAMES) {
    const value = config[name];
    const text = typeof value === "object" && value !== null ? (value as { content?: unknown }).content : value;
    if (typeof text === "string") tokens[name] = text;
  }
  return tokens;
}

/** Templates know reasoning by several names; transformers fills in both. */
function withReasoningNames(turn: ChatMessage): ChatMessage {
  const reasoning = turn.reasoning_content ?? turn.thinking ?? turn.reasoning;
  return typeof reasoning === "string" ? { thinking: reasoning, ...turn, reasoning_content: reasoning } : turn;
}

/** `developer` is OpenAI's newer name for the system's role. */
function forSystem(turn: ChatMessage): ChatMessage {
  return withReasoningNames(turn.role === "developer" ? { ...turn, role: "system" } : turn);
}

function plainJson(variables: Record<string, unknown>): string {
  try {
    return stringifyExact(variables);
  } catch (error) {
    const message = `Messages, tools and variables must be plain JSON data: ${(error as Error).message}`;
    throw new PunieError("INVALID_OPTION", message, { cause: error });
  }
}
