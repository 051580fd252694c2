/** config.json, generation_config.json and the index of a model directory whose weights are sound. */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { TINY_CODER } from "../../helpers/golden.js";
import { mutateBytes } from "../mutate-bytes.js";
import { type Json, mutateJson } from "../mutate-json.js";
import type { FuzzTarget } from "../run-cases.js";

const FILES = ["config.json", "generation_config.json", "model.safetensors.index.json"];

export async function open(directory: string): Promise<FuzzTarget> {
  await copyFile(join(TINY_CODER, "model.safetensors"), join(directory, "model.safetensors"));
  const sound = new Map(
    await Promise.all(FILES.map(async (name) => [name, await readFile(join(TINY_CODER, name))] as const)),
  );
  for (const [name, bytes] of sound) await writeFile(join(directory, name), bytes);
  return {
    codes: ["MODEL_CORRUPT", "MODEL_UNSUPPORTED", "WEIGHTS_MISMATCH"],
    async run(random) {
      // Mostly config.json, which has most to say.
      const name = FILES[Math.max(0, random(6) - 3)] as string;
      const bytes = sound.get(name) as Buffer;
      const damaged =
        random(4) === 0
          ? mutateBytes(bytes, random)
          : JSON.stringify(mutateJson(JSON.parse(bytes.toString()) as Json, random));
      await writeFile(join(directory, name), damaged);
      try {
        await openModelDirectory(directory);
      } finally {
        await writeFile(join(directory, name), bytes);
      }
      return "opened";
    },
  };
}
