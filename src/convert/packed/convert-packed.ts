/** `punie convert` of a checkpoint that AutoAWQ or a GPTQ library has packed. */
import { join, resolve } from "node:path";
import { PunieError } from "../../errors.js";
import { MAX_CONFIG_BYTES } from "../../models/config.js";
import { readJsonFile } from "../../models/json-file.js";
import { copyCompanions } from "../companion-files.js";
import type { ConvertOptions, ConvertResult } from "../convert-model.js";
import { fillDirectory, writeText } from "../new-directory.js";
import { modelCard, readProvenance } from "../provenance.js";
import { importPackedCheckpoint } from "./import-packed.js";

/** Whether a directory's config.json says that its weights are packed so. */
export async function isPackedDirectory(directory: string): Promise<boolean> {
  const config = await readJsonFile(join(directory, "config.json"), MAX_CONFIG_BYTES).catch(() => undefined);
  const { quantization, quantization_config: packing } = (config ?? {}) as Record<string, unknown>;
  const method = (packing as { quant_method?: unknown } | null | undefined)?.quant_method;
  return quantization == null && (method === "awq" || method === "gptq");
}

/**
 * Weights keep their values. To quantize them otherwise, the new directory is converted in turn.
 *
 * @param path The new directory, absolute, which isn't there.
 * @throws PunieError `INVALID_OPTION` for a quantization or a type; what `importPackedCheckpoint` throws.
 */
export async function convertPackedDirectory(
  source: string,
  path: string,
  { mode, bits, groupSize, mixed, dtype, adapter, signal, onProgress }: ConvertOptions,
): Promise<ConvertResult> {
  for (const [name, value] of Object.entries({ mode, bits, groupSize, mixed, dtype, adapter })) {
    if (value === undefined) continue;
    throw new PunieError(
      "INVALID_OPTION",
      `${name}: expected nothing, found ${value}: AWQ and GPTQ weights are converted as they are. Convert the result again.`,
    );
  }
  return await fillDirectory(path, async (directory) => {
    const { weightBytes, ...imported } = await importPackedCheckpoint(source, directory, { signal, onProgress });
    const bitsPerWeight = (weightBytes * 8) / imported.parameters;
    const weights = `${imported.bits}-bit ${imported.method.toUpperCase()}, kept as affine groups of ${imported.groupSize}`;
    await copyCompanions(source, directory);
    const provenance = await readProvenance(resolve(source));
    await writeText(join(directory, "README.md"), modelCard({ ...provenance, weights, bitsPerWeight, notes: [] }));
    const config = (await readJsonFile(join(directory, "config.json"), MAX_CONFIG_BYTES)) as { model_type: string };
    return {
      path,
      modelType: config.model_type,
      quantization: { mode: "affine" as const, bits: imported.bits, groupSize: imported.groupSize },
      shards: 1,
      bytes: imported.bytes,
      parameters: imported.parameters,
      bitsPerWeight,
      losses: [],
    };
  });
}
