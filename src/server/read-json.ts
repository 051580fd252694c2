import { HttpError } from "./http-error.js";

/** Deeper than any tool's schema; what goes through a document by recursion stays far from the end of the stack. */
const DEEPEST_NESTING = 64;

/** The request's body as text and as the JSON document that it is. @throws HttpError 400, or 413 beyond `limitBytes`. */
export async function readJson(request: Request, limitBytes: number): Promise<{ text: string; value: unknown }> {
  const text = await readText(request, limitBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const found = text.trim() === "" ? "it is empty" : (cause as Error).message;
    throw new HttpError(400, `The body must be a JSON document: ${found}`, { code: "invalid_json", cause });
  }
  if (!nestsAtMost(value, DEEPEST_NESTING)) {
    throw new HttpError(400, `The body is nested more than ${DEEPEST_NESTING} levels deep.`, { code: "invalid_json" });
  }
  return { text, value };
}

async function readText(request: Request, limitBytes: number): Promise<string> {
  if (Number(request.headers.get("content-length")) > limitBytes) throw tooLarge(limitBytes);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  try {
    for await (const chunk of request.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > limitBytes) throw tooLarge(limitBytes);
      text += decoder.decode(chunk, { stream: true });
    }
    return text + decoder.decode();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new HttpError(400, "The body must be UTF-8 text.", { code: "invalid_json", cause });
  }
}

function tooLarge(limitBytes: number): HttpError {
  return new HttpError(413, `The body is larger than ${limitBytes} bytes.`, { code: "body_too_large" });
}

function nestsAtMost(value: unknown, levels: number): boolean {
  let level = [value];
  for (let depth = 0; depth <= levels; depth++) {
    if (level.length === 0) return true;
    level = level.flatMap((item) => (typeof item === "object" && item !== null ? Object.values(item) : []));
  }
  return level.length === 0;
}
