/** The tiny model with "yes" and "no" as tokens: what scripts/goldens/rerank.py scores. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readGolden } from "./golden.js";
import { copyTinyModel } from "./tiny-model.js";

export interface RerankRow {
  document: string;
  instruction?: string;
  tokens: number;
  score: number;
}

export const rerankGolden = readGolden<{ query: string; added: Record<string, number>; rows: RerankRow[] }>("rerank");

export async function writeTinyReranker(): Promise<{ path: string; remove: () => Promise<void> }> {
  const copy = await copyTinyModel();
  const file = join(copy.path, "tokenizer.json");
  const tokenizer = JSON.parse(await readFile(file, "utf8"));
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
  for (const [content, id] of Object.entries(rerankGolden.added))
    tokenizer.added_tokens.push({ id, content, ...flags });
  await writeFile(file, JSON.stringify(tokenizer));
  return copy;
}
