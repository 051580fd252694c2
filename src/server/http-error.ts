/** Errors as OpenAI's clients parse them: a status and `{error: {message, type, param, code}}`. */
import { type ErrorCode, PunieError } from "../errors.js";

export interface HttpErrorDetails {
  /** The field of the request that is to blame. */
  param?: string;
  code?: string;
  headers?: Record<string, string>;
  cause?: unknown;
}

export class HttpError extends Error {
  readonly status: number;
  readonly param: string | null;
  readonly code: string | null;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, { param, code, headers, cause }: HttpErrorDetails = {}) {
    super(message, { cause });
    this.status = status;
    this.param = param ?? null;
    this.code = code ?? null;
    this.headers = headers ?? {};
  }

  /** The body of the response, and of the event that ends a stream that failed. */
  body(): { error: { message: string; type: string; param: string | null; code: string | null } } {
    const { message, param, code } = this;
    return { error: { message, type: errorType(this.status), param, code } };
  }

  response(): Response {
    return Response.json(this.body(), { status: this.status, headers: this.headers });
  }
}

/** OpenAI's word for each kind of status. */
function errorType(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

/** A field that the request may not have, or not with this value. */
export function badField(param: string, message: string): HttpError {
  return new HttpError(400, message, { param, code: "unsupported_parameter" });
}

const STATUSES: Partial<Record<ErrorCode, number>> = {
  INVALID_OPTION: 400,
  CONTEXT_TOO_LONG: 400,
  MODEL_DISPOSED: 503,
  ABORTED: 503,
  OUT_OF_MEMORY: 503,
};

/** OpenAI's own codes, where there is one that clients look for. */
const OPENAI_CODES: Partial<Record<ErrorCode, string>> = { CONTEXT_TOO_LONG: "context_length_exceeded" };

/** Any failure as an `HttpError`. What isn't an error of ours is told as "internal": its text may hold anything. */
export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof PunieError) {
    const code = OPENAI_CODES[error.code] ?? error.code;
    return new HttpError(STATUSES[error.code] ?? 500, error.message, { code, cause: error });
  }
  return new HttpError(500, "Internal error of the server.", { code: "INTERNAL", cause: error });
}
