import { PunieError } from "../errors.js";
import type { LayerType, NativeModelConfig } from "../native/binding-types.js";
import { describe } from "./schema-error.js";
import { unsupported } from "./unsupported.js";

interface LayerFields {
  num_hidden_layers: number;
  layer_types?: string[] | null | undefined;
  sliding_window?: number | null | undefined;
}

type Layers = Pick<NativeModelConfig, "layerTypes" | "slidingWindow">;

/**
 * The kind of each layer: what `layer_types` says, else what `otherwise` says of a layer's index. Nothing where all
 * have full attention.
 *
 * @throws PunieError `MODEL_UNSUPPORTED` for a kind that isn't among `known`, `MODEL_CORRUPT` for a list of another
 * length than the layers, or sliding layers without a window.
 */
export function readLayerTypes(
  fields: LayerFields,
  known: readonly LayerType[],
  otherwise: (layer: number) => LayerType,
  file: string,
): Layers {
  const stated = fields.layer_types;
  if (stated) checkStated(stated, fields.num_hidden_layers, known, file);
  const layerTypes = (stated as LayerType[] | null | undefined) ?? layers(fields.num_hidden_layers, otherwise);
  if (layerTypes.every((type) => type === "full_attention")) return {};
  if (!layerTypes.includes("sliding_attention")) return { layerTypes };
  const window = fields.sliding_window;
  if (window == null) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: sliding_window: expected a whole number, for the layers of sliding_attention; found nothing.`,
    );
  }
  return { layerTypes, slidingWindow: window };
}

function checkStated(stated: readonly string[], count: number, known: readonly string[], file: string): void {
  const other = stated.find((type) => !known.includes(type));
  if (other !== undefined) throw unsupported(file, `layer_types with ${describe(other)}`, known.join(", "));
  if (stated.length === count) return;
  throw new PunieError(
    "MODEL_CORRUPT",
    `${file}: layer_types: expected ${count} entries (num_hidden_layers), found ${stated.length}.`,
  );
}

function layers(count: number, typeOf: (layer: number) => LayerType): LayerType[] {
  return Array.from({ length: count }, (_, layer) => typeOf(layer));
}
