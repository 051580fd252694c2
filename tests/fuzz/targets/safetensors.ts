/** The header of a weight file: its bytes, and JSON that says something else than the truth. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readSafetensorsHeader } from "../../../src/models/safetensors-header.js";
import { tensorsOf } from "../../helpers/random-model.js";
import { SMALL } from "../../helpers/random-model-damage.js";
import { headerOf } from "../../helpers/random-model-file.js";
import { mutateBytes } from "../mutate-bytes.js";
import { type Json, mutateJson } from "../mutate-json.js";
import type { FuzzTarget } from "../run-cases.js";

export async function open(directory: string): Promise<FuzzTarget> {
  const tensors = tensorsOf(SMALL);
  const header = { __metadata__: { format: "mlx" }, ...headerOf(tensors) } as unknown as Json;
  const data = Buffer.concat(tensors.map((tensor) => tensor.data));
  const file = join(directory, "model.safetensors");
  return {
    codes: ["MODEL_CORRUPT", "MODEL_UNSUPPORTED"],
    async run(random) {
      const text = Buffer.from(JSON.stringify(random(2) === 0 ? mutateJson(header, random) : header));
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(text.length));
      const start = Buffer.concat([length, text]);
      const bytes = Buffer.concat([random(2) === 0 ? mutateBytes(start, random) : start, data]);
      await writeFile(file, bytes);
      const read = await readSafetensorsHeader(file);
      for (const tensor of read.tensors) {
        if (!(tensor.offset >= 8 && tensor.offset + tensor.bytes <= bytes.length)) {
          throw new Error(`tensor ${tensor.name} was taken, and lies outside the file`);
        }
      }
      return "read";
    },
  };
}
