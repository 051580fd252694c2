/** A model directory as the source of a conversion. */
import { resolve } from "node:path";
import { copyCompanions } from "./companion-files.js";
import type { ConversionSource } from "./conversion-source.js";
import { readProvenance } from "./provenance.js";
import { SafetensorsSource } from "./safetensors-source.js";
import { sanitize } from "./sanitize.js";
import { readSourceConfig } from "./source-config.js";
import { inModelOrder } from "./tensor-order.js";

/** @throws PunieError `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`, `WEIGHTS_MISMATCH` */
export async function openDirectorySource(directory: string): Promise<ConversionSource> {
  const config = await readSourceConfig(directory);
  const provenance = await readProvenance(resolve(directory));
  const weights = await SafetensorsSource.open(directory, config.packedAs);
  try {
    const { modelType, layers, dtype, table } = config;
    const { _name_or_path: _, vision_config: __, quantization: ___, quantization_config: ____, ...kept } = config.json;
    // The decay of qwen3_5's gated delta nets stays as precise as it was.
    const mayCast = ({ name }: { name: string }) => !(modelType.startsWith("qwen3_5") && name.endsWith("A_log"));
    return {
      modelType,
      layers,
      tensors: inModelOrder(sanitize(weights.tensors, config, directory), modelType, directory),
      config: kept,
      table,
      provenance,
      mayCast,
      usualCast: (tensor) => (mayCast(tensor) ? dtype : undefined),
      writeCompanions: (to) => copyCompanions(directory, to),
      requireUnchanged: async () => undefined,
      close: () => weights.close(),
    };
  } catch (error) {
    await weights.close();
    throw error;
  }
}
