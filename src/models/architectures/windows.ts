import { z } from "zod";
import type { NativeModelConfig } from "../../native/binding-types.js";
import { flag } from "../config-fields.js";
import { readLayerTypes } from "../layer-types.js";

/** The keys of config.json about windows of the Qwen families. */
export const windowFields = {
  use_sliding_window: flag(),
  max_window_layers: z.number({ error: "expected a number" }).int().nullish(),
};

/** transformers' default. */
const MAX_WINDOW_LAYERS = 28;

type WindowFields = z.output<z.ZodObject<typeof windowFields>> & Parameters<typeof readLayerTypes>[0];

/** `layer_types`, else as transformers: with `use_sliding_window`, the layers from `max_window_layers` on have a window. */
export function readWindows(read: WindowFields, file: string): Pick<NativeModelConfig, "layerTypes" | "slidingWindow"> {
  const first = read.use_sliding_window ? (read.max_window_layers ?? MAX_WINDOW_LAYERS) : Number.POSITIVE_INFINITY;
  const otherwise = (layer: number) => (layer >= first ? "sliding_attention" : "full_attention");
  return readLayerTypes(read, ["full_attention", "sliding_attention"], otherwise, file);
}
