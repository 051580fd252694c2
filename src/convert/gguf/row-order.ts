/** Undoes llama.cpp's order of the rows of q and k. */
import type { StoredTensor } from "../model-tensor.js";

/**
 * The row of a GGUF `attn_q` or `attn_k` that is row `row` in the Hugging Face layout. llama.cpp interleaves the two
 * halves of each head, so that RoPE turns neighbours: row 2 i + s of a head there is row s * headDim / 2 + i here.
 */
export function ropeSourceRow(row: number, headDim: number): number {
  const within = row % headDim;
  const half = headDim / 2;
  return row - within + 2 * (within % half) + (within < half ? 0 : 1);
}

/** The tensor with its rows, of `rowBytes` each, in the Hugging Face order. Whole rows are read from it. */
export function inHuggingFaceOrder(tensor: StoredTensor, rowBytes: number, headDim: number): StoredTensor {
  const headBytes = rowBytes * headDim;
  const read = async (target: Uint8Array, offset: number) => {
    const firstHead = Math.floor(offset / headBytes);
    const lastHead = Math.ceil((offset + target.byteLength) / headBytes);
    const heads = new Uint8Array((lastHead - firstHead) * headBytes);
    await tensor.read(heads, firstHead * headBytes);
    for (let at = 0; at < target.byteLength; at += rowBytes) {
      const from = ropeSourceRow((offset + at) / rowBytes, headDim) * rowBytes - firstHead * headBytes;
      target.set(heads.subarray(from, from + rowBytes), at);
    }
  };
  return { ...tensor, read };
}
