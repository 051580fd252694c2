import { PunieError } from "../errors.js";
import type { HttpResponse } from "./http.js";
import { retryAfterMs } from "./retry.js";
import { TransientError } from "./transient-error.js";

/** What was asked of the Hub, for messages. */
export interface Subject {
  repository: string;
  revision: string;
  endpoint: string;
  hasToken: boolean;
}

/** The error for an answer of the Hub that isn't the one hoped for; transient when it may pass. */
export function hubError(response: HttpResponse, subject: Subject): PunieError | TransientError {
  const { status } = response;
  const host = new URL(subject.endpoint).host;
  const code = response.headers.get("X-Error-Code") ?? "";
  const said = printable(response.headers.get("X-Error-Message") ?? "");
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const retryAfter = retryAfterMs(response.headers.get("Retry-After"));
    return new TransientError(`${host} answers ${status}`, { retryAfterMs: retryAfter });
  }
  const model = `Model '${subject.repository}'`;
  const page = `${subject.endpoint}/${subject.repository}`;
  if (code === "GatedRepo") {
    const login = subject.hasToken ? "" : ", then set HF_TOKEN or run 'hf auth login'";
    return denied(`${model} is gated: accept its conditions at ${page}${login}.`, said);
  }
  if (said === "Access to this resource is disabled.") return denied(`${model} is disabled on the Hub.`, "");
  if (code === "RevisionNotFound") {
    return notFound(`${model} has no branch, tag or commit '${subject.revision}'. What it has: ${page}/tree/main`);
  }
  if (code === "EntryNotFound") {
    return new PunieError(
      "HUB_CORRUPT",
      `${model}: a file that the Hub lists is not there. Run the same command again.`,
    );
  }
  if (status === 401 && /invalid (credentials|username|user|token)/i.test(said)) {
    return denied(`${host} doesn't accept the access token: set a valid HF_TOKEN or run 'hf auth login'.`, said);
  }
  if (status === 404 || (status === 401 && !subject.hasToken) || code === "RepoNotFound") {
    const access = subject.hasToken
      ? "the token in use has no access to it"
      : "it takes a token: set HF_TOKEN or run 'hf auth login'";
    return notFound(`${model} is not on ${host}. Check the spelling; if it is private, ${access}.`);
  }
  if (status === 401)
    return denied(`${host} doesn't accept the access token: set a valid HF_TOKEN or run 'hf auth login'.`, said);
  if (status === 403) {
    return denied(`${model} is private or the access token has no permission to read it: see ${page}.`, said);
  }
  return new PunieError("HUB_CORRUPT", `${host} answers ${status} for ${subject.repository}, which was not expected.`);
}

/** Text of a server without control characters, which a terminal could take for commands, and not too long. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, " ").slice(0, MAX_SAID);
}

const MAX_SAID = 300;

function denied(message: string, said: string): PunieError {
  return new PunieError("HUB_DENIED", said === "" ? message : `${message} The Hub says: ${said}`);
}

function notFound(message: string): PunieError {
  return new PunieError("HUB_NOT_FOUND", message);
}
