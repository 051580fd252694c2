import { PunieError } from "../errors.js";
import type { AffineQuantization, NativeModelConfig, NativeTensor } from "../native/binding-types.js";
import { QUANTIZATION_BITS, QUANTIZATION_GROUP_SIZES, type QuantizationTable } from "./quantization-config.js";

const BITS_PER_WORD = 32;

/**
 * Adds to the table the layers that it doesn't name and whose shapes contradict its defaults, as mlx-lm does: packed
 * weights of `inputs × bits / 32` words and `inputs / groupSize` scales a row tell both numbers.
 *
 * @throws PunieError `MODEL_CORRUPT` when a layer has scales and config.json tells of no quantization, or when the
 * shapes fit no known width.
 */
export function completeQuantization(
  table: QuantizationTable | undefined,
  config: NativeModelConfig,
  tensors: readonly NativeTensor[],
  file: string,
): QuantizationTable | undefined {
  const columns = new Map(tensors.map((tensor) => [tensor.name, tensor.shape.at(-1) ?? 0]));
  const inferred: Record<string, AffineQuantization> = {};
  for (const [name, scales] of columns) {
    if (!name.endsWith(".scales")) continue;
    const layer = name.slice(0, -".scales".length);
    if (table === undefined) {
      throw new PunieError(
        "MODEL_CORRUPT",
        `${file}: quantization: expected an object, found nothing; the weights hold ${name}.`,
      );
    }
    if (Object.hasOwn(table.layers, layer)) continue;
    const words = columns.get(`${layer}.weight`);
    const inputs = inputSize(layer, config);
    // A layer that the architecture doesn't have, or that lacks its weight: the engine names it.
    if (words === undefined || inputs === undefined) continue;
    const { bits, groupSize } = table.defaults;
    if (words * BITS_PER_WORD === inputs * bits && scales * groupSize === inputs) continue;
    inferred[layer] = fromShapes(layer, inputs, words, scales, file);
  }
  if (table === undefined) return undefined;
  return { defaults: table.defaults, layers: { ...table.layers, ...inferred } };
}

function fromShapes(layer: string, inputs: number, words: number, scales: number, file: string): AffineQuantization {
  const bits = (words * BITS_PER_WORD) / inputs;
  const groupSize = inputs / scales;
  if (!QUANTIZATION_BITS.includes(bits) || !QUANTIZATION_GROUP_SIZES.includes(groupSize)) {
    throw new PunieError(
      "MODEL_CORRUPT",
      `${file}: ${layer}: ${words} packed words and ${scales} scales for ${inputs} inputs fit no supported quantization.`,
    );
  }
  return { mode: "affine", bits, groupSize };
}

/** Inputs of a layer of a decoder, by the last part of its path. Experts' are left to the engine. */
function inputSize(layer: string, config: NativeModelConfig): number | undefined {
  if (/expert|switch_mlp|linear_attn/.test(layer)) return undefined;
  switch (layer.slice(layer.lastIndexOf(".") + 1)) {
    case "embed_tokens":
    case "lm_head":
    case "q_proj":
    case "k_proj":
    case "v_proj":
    case "gate_proj":
    case "up_proj":
      return config.hiddenSize;
    case "o_proj":
      return config.attentionHeads * config.headDim;
    case "down_proj":
      return config.intermediateSize;
    default:
      return undefined;
  }
}
