/** The files beside the weights that a converted model needs: tokenizer, template, sampling defaults, how it pools. */
import { copyFile, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeDirectory } from "../make-directory.js";
import { EMBEDDING_MARKS, POOLING_FILE } from "../models/embedding-model.js";
import { isAbsent } from "../models/system-error.js";
import { TOOL_TEMPLATE_FILE } from "../models/tool-template.js";

/** config.json, the index and the card are written anew. */
const COMPANIONS =
  /^(tokenizer.*\.(json|model)|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|generation_config\.json|chat_template\.(jinja|json)|.*\.tiktoken)$/;

/** Links, as the Hugging Face cache has them, are followed; the copies are files. */
export async function copyCompanions(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (COMPANIONS.test(name) || EMBEDDING_MARKS.includes(name)) await copyIfFile(join(from, name), join(to, name));
  }
  for (const path of [POOLING_FILE, TOOL_TEMPLATE_FILE]) {
    await copyIfFile(join(from, path), join(to, path)).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
  }
}

async function copyIfFile(from: string, to: string): Promise<void> {
  if (!(await stat(from)).isFile()) return;
  await makeDirectory(dirname(to));
  await copyFile(from, to);
}
