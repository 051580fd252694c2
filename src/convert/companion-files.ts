/** The files beside the weights that a converted model needs: its tokenizer, its template, its sampling defaults, how it pools. */
import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** config.json, the index and the card are written anew. */
const COMPANIONS =
  /^(tokenizer.*\.(json|model)|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt|generation_config\.json|modules\.json|config_sentence_transformers\.json|chat_template\.(jinja|json)|.*\.tiktoken)$/;

/** Links, as the Hugging Face cache has them, are followed; the copies are files. */
export async function copyCompanions(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (!COMPANIONS.test(name)) continue;
    const path = join(from, name);
    if ((await stat(path)).isFile()) await copyFile(path, join(to, name));
  }
  await copyPooling(join(from, POOLING), join(to, POOLING));
}

const POOLING = "1_Pooling";

/** Of an embedding model: how its tokens' vectors become one. */
async function copyPooling(from: string, to: string): Promise<void> {
  const config = join(from, "config.json");
  const isThere = await stat(config).then(
    (info) => info.isFile(),
    () => false,
  );
  if (!isThere) return;
  await mkdir(to, { recursive: true });
  await copyFile(config, join(to, "config.json"));
}
