import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import { absolutePath, type Environment, huggingFaceHome } from "../models/places.js";

/**
 * The access token for the Hub: the option, else `HF_TOKEN`, else the file that `hf auth login` writes.
 *
 * @throws PunieError `INVALID_OPTION` when it can't be sent in a header. The message doesn't show it.
 */
export async function findToken(option: string | undefined, env: Environment): Promise<string | undefined> {
  if (option !== undefined) return checked(option, "token");
  if (env.HF_TOKEN?.trim()) return checked(env.HF_TOKEN, "HF_TOKEN");
  const path = env.HF_TOKEN_PATH ? absolutePath(env.HF_TOKEN_PATH, env) : join(huggingFaceHome(env), "token");
  const text = await readFile(path, "utf8").catch(() => "");
  return text.trim() === "" ? undefined : checked(text, path);
}

function checked(text: string, source: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]{1,1024}$/.test(token)) return token;
  throw new PunieError(
    "INVALID_OPTION",
    `${source}: expected an access token: one word of printable ASCII characters.`,
  );
}
