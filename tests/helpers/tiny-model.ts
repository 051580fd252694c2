/** The small trained model that the tests share. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A qwen2 of 1.3 M weights, 4-bit, with a tokenizer and a ChatML template; it ends with 1263 or 1261. */
export const TINY_MODEL = fileURLToPath(new URL("../fixtures/tiny-coder-4bit", import.meta.url));

/** A copy that a test may change, without the files named. */
export async function copyTinyModel(
  leaveOut: readonly string[] = [],
): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "punie-model-"));
  await cp(TINY_MODEL, path, {
    recursive: true,
    filter: (file) => !leaveOut.some((name) => file.endsWith(`/${name}`)),
  });
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
