import { HttpError } from "./http-error.js";

/** Deeper than any tool's schema; what goes through a document by recursion stays far from the end of the stack. */
const DEEPEST_NESTING = 64;
/** More than any request has, and parsed in a fraction of a second: meanwhile nobody else is served. */
const MOST_VALUES = 500_000;

/** The request's body as text and as the JSON document that it is. @throws HttpError 400, or 413 beyond `limitBytes`. */
export async function readJson(request: Request, limitBytes: number): Promise<{ text: string; value: unknown }> {
  const text = await readText(request, limitBytes);
  checkShape(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const found = text.trim() === "" ? "it is empty" : (cause as Error).message;
    throw new HttpError(400, `The body must be a JSON document: ${found}`, { code: "invalid_json", cause });
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

/** Looks at brackets and commas outside of strings, before anything is made of them. @throws HttpError 400 */
function checkShape(text: string): void {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '"':
        i = endOfString(text, i);
        break;
      case "[":
      case "{":
        values += 1;
        if (++depth > DEEPEST_NESTING) throw misshapen(`nested more than ${DEEPEST_NESTING} levels deep`);
        break;
      case "]":
      case "}":
        depth -= 1;
        break;
      case ",":
        values += 1;
        break;
    }
    if (values > MOST_VALUES) throw misshapen(`made of more than ${MOST_VALUES} values`);
  }
}

/** Where the string ends that begins at `start`; the text's end for one without. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return text.length;
}

function misshapen(how: string): HttpError {
  return new HttpError(400, `The body is ${how}.`, { code: "invalid_json" });
}
