/** Files that a flag names, with errors that name the flag. */
import { createReadStream } from "node:fs";
import { PunieError } from "../errors.js";

/** A context of a million tokens has some 4 MiB; what is larger is the wrong file. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

/** The file's text as UTF-8; `-` is stdin. @throws PunieError `INVALID_OPTION` */
export async function readInputText(flag: string, file: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of file === "-" ? process.stdin : createReadStream(file)) {
      chunks.push(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      if (bytes > MAX_INPUT_BYTES) throw new Error(`it is larger than ${MAX_INPUT_BYTES / 2 ** 20} MiB`);
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    const message = cause instanceof TypeError ? "it is not UTF-8 text" : (cause as Error).message;
    throw new PunieError("INVALID_OPTION", `${flag} ${file}: expected a text file: ${message}.`, { cause });
  }
}

/** The file's JSON value. @throws PunieError `INVALID_OPTION` */
export async function readInputJson(flag: string, file: string): Promise<unknown> {
  const text = await readInputText(flag, file);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PunieError("INVALID_OPTION", `${flag} ${file}: not valid JSON: ${(cause as Error).message}.`, { cause });
  }
}
