import { PunieError } from "../errors.js";
import type { NativeTensor, Quantization } from "../native/binding-types.js";
import type { QuantizationTable } from "./quantization-config.js";

/**
 * Names the table's rows as the weights name their layers. Both spellings are in use, `layers.0.mlp.up_proj` and
 * `model.layers.0.mlp.up_proj`, and `language_model.` stands before either in models made from ones that see. A row of
 * a layer that isn't there is dropped.
 *
 * Layers without a row get none: their tensors tell how they are quantized, since the table's defaults can be wrong
 * for them.
 *
 * @throws PunieError `MODEL_CORRUPT` when a layer has scales and config.json tells of no quantization.
 */
export function matchQuantization(
  table: QuantizationTable | undefined,
  tensors: readonly NativeTensor[],
  file: string,
): QuantizationTable | undefined {
  if (table === undefined) {
    const scales = tensors.find(({ name }) => name.endsWith(".scales"));
    if (scales === undefined) return undefined;
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: quantization: expected an object, found nothing; the weights hold ${scales.name}.`,
    );
  }
  const rows = new Map(Object.entries(table.layers).map(([path, row]) => [withoutPrefix(path), row]));
  const layers: [string, Quantization | false][] = [];
  for (const { name } of tensors) {
    if (!name.endsWith(".weight")) continue;
    const layer = name.slice(0, -".weight".length);
    const row = Object.hasOwn(table.layers, layer) ? table.layers[layer] : rows.get(withoutPrefix(layer));
    if (row !== undefined) layers.push([layer, row]);
  }
  return { defaults: table.defaults, layers: Object.fromEntries(layers) };
}

function withoutPrefix(path: string): string {
  return path.replace(/^(?:(?:language_model|model)\.)+/, "");
}
