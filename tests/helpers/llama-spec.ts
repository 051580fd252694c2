/** A random llama of any size, unquantized, without a tokenizer: for what depends on sizes alone. */
import { attentionRows, type DecoderSizes, decoderSpec, mlpRows } from "./decoder-spec.js";
import type { RandomModelSpec } from "./random-model.js";

/** `headDim`: hidden / heads by default. */
export type LlamaSizes = Omit<DecoderSizes, "headDim"> & Partial<Pick<DecoderSizes, "headDim">>;

export function llamaSpec(given: LlamaSizes): RandomModelSpec {
  const sizes = { headDim: given.hidden / given.heads, ...given };
  return decoderSpec(
    "llama",
    sizes,
    {},
    {
      mixer: (path) => attentionRows(path, sizes),
      feedForward: (path) => mlpRows(path, sizes),
    },
  );
}
