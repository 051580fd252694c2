/** Every code a `PunieError` can carry. Stable: callers branch on these, never on a message. */
export const ERROR_CODES = [
  "INVALID_OPTION",
  "MODEL_NOT_FOUND",
  "MODEL_NOT_DOWNLOADED",
  "MODEL_UNSUPPORTED",
  "MODEL_CORRUPT",
  "WEIGHTS_MISMATCH",
  "CONTEXT_TOO_LONG",
  "OUT_OF_MEMORY",
  "MODEL_DISPOSED",
  "ABORTED",
  "NATIVE_UNAVAILABLE",
  "ENGINE_CRASHED",
  "HUB_UNREACHABLE",
  "HUB_NOT_FOUND",
  "HUB_DENIED",
  "HUB_CORRUPT",
  "DISK_FULL",
  "DOWNLOAD_LOCKED",
  "INTERNAL",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** The one error class: a stable `code`, and a message that names the thing, what was found and what to do. */
export class PunieError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "PunieError";
    this.code = code;
  }
}

/** `MODEL_NOT_DOWNLOADED`: the model has a name that can be fetched, and is on none of the searched directories. */
export class ModelNotDownloadedError extends PunieError {
  /** Repository name, `ORG/NAME`. */
  readonly model: string;
  /** The command that downloads it, ready to be typed. */
  readonly command: string;
  /** The directories that were looked in. */
  readonly searched: readonly string[];

  /** What else the name may have meant: the line that the message ends with. */
  readonly advice: string | undefined;

  constructor(model: string, command: string, searched: readonly string[], advice?: string) {
    const lines = [`Model '${model}' is not downloaded.`, `Download it with: ${command}`];
    super("MODEL_NOT_DOWNLOADED", [...lines, ...(advice === undefined ? [] : [advice])].join("\n"));
    this.model = model;
    this.command = command;
    this.searched = searched;
    this.advice = advice;
  }
}

/** `ENGINE_CRASHED`, of a request: the process or thread that computed it ended. Holds how far the request had come. */
export class EngineCrashedError extends PunieError {
  /** Ids of the prompt, template included. */
  readonly promptTokens: readonly number[];
  /** Ids generated before the crash: a prompt of `promptTokens` and these goes on from there. */
  readonly tokens: readonly number[];
  /** Their text, or null without a tokenizer. */
  readonly text: string | null;

  constructor(message: string, promptTokens: readonly number[], tokens: readonly number[], text: string | null) {
    super("ENGINE_CRASHED", message);
    this.promptTokens = promptTokens;
    this.tokens = tokens;
    this.text = text;
  }
}
