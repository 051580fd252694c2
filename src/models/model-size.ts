/** What a model takes, reckoned from its configuration and its tensors' headers. */
import type { NativeModelConfig, NativeTensor } from "../native/binding-types.js";

const CACHED_VALUE_BYTES = 2;
/** One float32 for a key and one for a value, of every head. */
const SCALE_BYTES = 8;
/** Values of a head are padded to a multiple of this. */
const VALUE_STRIDE = 16;
/** Of a recurrent layer the state now and the one that is being written. */
const STATES = 2;

/** Bytes of one position's keys and values, on the CPU, in all layers that have them. */
export function positionBytes(config: NativeModelConfig): number {
  const { keyValueHeads, headDim } = config;
  const stride = Math.ceil(headDim / VALUE_STRIDE) * VALUE_STRIDE;
  return attentionLayers(config) * keyValueHeads * ((headDim + stride) * CACHED_VALUE_BYTES + SCALE_BYTES);
}

/** Bytes that recurrent layers remember of a sequence, however long: their convolution's last inputs, and states. */
export function stateBytes(config: NativeModelConfig): number {
  if (!config.linearAttention) return 0;
  const { keyHeads, valueHeads, keyHeadDim, valueHeadDim, convKernelSize } = config.linearAttention;
  const channels = 2 * keyHeads * keyHeadDim + valueHeads * valueHeadDim;
  const floats = channels * (convKernelSize - 1) + valueHeads * keyHeadDim * valueHeadDim;
  return (config.hiddenLayers - attentionLayers(config)) * floats * Float32Array.BYTES_PER_ELEMENT * STATES;
}

/** Layers that keep keys and values. */
export function attentionLayers({ hiddenLayers, layerTypes = [] }: NativeModelConfig): number {
  return hiddenLayers - layerTypes.filter((type) => type === "linear_attention").length;
}

/**
 * Bytes of weights that generating one token reads: all of them, but of an embedding that isn't the output layer too
 * only a row, and of experts only the chosen ones. What is read of the KV cache is not counted.
 */
export function bytesReadPerToken(config: NativeModelConfig, tensors: readonly NativeTensor[]): number {
  const share = config.experts ? config.experts.perToken / config.experts.count : 1;
  const read = tensors.reduce((sum, { name, bytes }) => {
    if (!config.tieWordEmbeddings && /(^|\.)embed_tokens\./.test(name)) return sum;
    return sum + (/\.(switch_mlp|experts)\./.test(name) ? bytes * share : bytes);
  }, 0);
  return Math.round(read);
}
