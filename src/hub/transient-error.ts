import type { ErrorCode } from "../errors.js";

/** What may pass when it is tried again: a lost connection, a busy server, bytes that came short. */
export class TransientError extends Error {
  /** The code of the `PunieError` when it doesn't pass. */
  readonly code: ErrorCode;
  /** How long the server asks to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: { code?: ErrorCode; retryAfterMs?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "TransientError";
    this.code = options.code ?? "HUB_UNREACHABLE";
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A proxy that can't be reached: its message says which. */
export class ProxyError extends Error {
  override readonly name = "ProxyError";
}

/** What a rejected `fetch` means: the caller's abort as it is, all else a transient error that says what failed. */
export function networkError(error: unknown, host: string): unknown {
  if (error instanceof TransientError || !(error instanceof Error) || error.name === "AbortError") return error;
  if (error instanceof ProxyError) return new TransientError(`${host}: ${error.message}`, { cause: error });
  const cause = error.cause as { code?: unknown; message?: unknown } | undefined;
  const detail = cause?.code ?? cause?.message ?? (error as { code?: unknown }).code ?? error.message;
  return new TransientError(`${host}: ${String(detail)}`, { cause: error });
}
