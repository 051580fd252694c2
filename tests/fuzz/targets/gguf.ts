/** A GGUF file: its header, its tokenizer and its import into a model directory. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { importGguf } from "../../../src/convert/gguf/import-gguf.js";
import { FIXTURES } from "../../helpers/golden.js";
import { mutateBytes } from "../mutate-bytes.js";
import type { FuzzTarget } from "../run-cases.js";

/** The tensors follow: damage there changes numbers and nothing else. */
const HEADER_BYTES = 20_000;

export async function open(directory: string): Promise<FuzzTarget> {
  const sound = await readFile(join(FIXTURES, "gguf", "tiny-llama.gguf"));
  const file = join(directory, "model.gguf");
  const output = join(directory, "imported");
  await mkdir(directory, { recursive: true });
  return {
    codes: ["MODEL_CORRUPT", "MODEL_UNSUPPORTED", "WEIGHTS_MISMATCH"],
    async run(random) {
      const header = mutateBytes(sound.subarray(0, HEADER_BYTES), random);
      await writeFile(file, Buffer.concat([header, sound.subarray(HEADER_BYTES)]));
      try {
        await importGguf(file, output);
      } finally {
        await rm(output, { recursive: true, force: true });
      }
      return "imported";
    },
  };
}
