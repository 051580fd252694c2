/** What a model will take of memory, from its headers alone. */
import { attentionLayers, positionBytes, stateBytes } from "../models/model-size.js";
import type { NativeDevice, NativeModelConfig, NativeModelSpec } from "../native/binding-types.js";

export interface MemoryPlan {
  /** Mapped on the CPU, copied on a GPU: either way they have to be in memory to be read at its speed. */
  weightBytes: number;
  /** Keys and values of one position, in all layers. */
  cacheBytesPerToken: number;
  /** What recurrent layers remember of a sequence, however long. */
  stateBytes: number;
  /** Activations of a pass, logits, tables. */
  workBytes: number;
}

/** Positions that room for keys and values is made for at a time: see native/nn/kv_cache.cc. */
const CACHE_STEP = 256;
/** Requests that share a pass: see native/engine/scheduler.cc. */
const MOST_ACTIVE = 8;
/** Below each of the roots that native/models/decoder.h knows. */
const FINAL_NORM = /^(model|language_model\.model|model\.language_model)\.norm\.weight$/;
/** Vocabulary, threads, tables and the addon's libraries: measured, and rounded up. */
const FIXED_BYTES = 64 * 2 ** 20;

export function planMemory(
  spec: NativeModelSpec,
  { device, prefillChunk, contextLength }: { device: NativeDevice; prefillChunk: number; contextLength: number },
): MemoryPlan {
  return {
    weightBytes: spec.tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    cacheBytesPerToken: cacheBytesPerToken(spec, device),
    stateBytes: stateBytes(spec.config),
    workBytes: workBytes(spec, Math.max(MOST_ACTIVE, Math.min(prefillChunk, contextLength))),
  };
}

/** Bytes that what is remembered of so many positions takes. */
export function cacheBytes({ cacheBytesPerToken, stateBytes }: MemoryPlan, positions: number): number {
  return Math.ceil(positions / CACHE_STEP) * CACHE_STEP * cacheBytesPerToken + stateBytes;
}

/** Bytes of all of it, with what is remembered of so many positions. */
export function totalBytes(plan: MemoryPlan, positions: number): number {
  return plan.weightBytes + plan.workBytes + cacheBytes(plan, positions);
}

/** Positions whose keys and values fit into so many bytes, in whole steps. */
export function positionsIn({ cacheBytesPerToken, stateBytes }: MemoryPlan, bytes: number): number {
  return Math.floor(Math.max(0, bytes - stateBytes) / (cacheBytesPerToken * CACHE_STEP)) * CACHE_STEP;
}

/** On a GPU keys and values have the checkpoint's own precision. */
function cacheBytesPerToken({ config, tensors }: NativeModelSpec, device: NativeDevice): number {
  if (device === "cpu") return positionBytes(config);
  const norm = tensors.find(({ name }) => FINAL_NORM.test(name));
  return attentionLayers(config) * config.keyValueHeads * config.headDim * 2 * (norm?.dtype === "F32" ? 4 : 2);
}

/**
 * float32 for each row of a pass; what a layer no longer needs serves the next. Factors as measured, rounded up: what
 * attention or a gated delta net makes is mostly too narrow for the inputs of the chosen experts, so both count.
 */
function workBytes({ config }: NativeModelSpec, rows: number): number {
  const { vocabSize } = config;
  const floats = rows * (mixerFloats(config) + feedForwardFloats(config)) + 2 * MOST_ACTIVE * vocabSize;
  return floats * Float32Array.BYTES_PER_ELEMENT + FIXED_BYTES;
}

function mixerFloats({ hiddenSize, attentionHeads, headDim, linearAttention }: NativeModelConfig): number {
  const attention = 6 * Math.max(hiddenSize, attentionHeads * headDim);
  if (!linearAttention) return attention;
  const { keyHeads, keyHeadDim, valueHeads, valueHeadDim } = linearAttention;
  const values = valueHeads * valueHeadDim;
  // Queries, keys, values and the output's gate: projected, apart, and after the convolution.
  return Math.max(attention, 6 * hiddenSize + 3 * (2 * keyHeads * keyHeadDim + 2 * values));
}

function feedForwardFloats({ hiddenSize, intermediateSize, experts }: NativeModelConfig): number {
  if (!experts) return 4 * intermediateSize;
  const { perToken, sharedIntermediateSize } = experts;
  const chosen = perToken * (4 * experts.intermediateSize + 2 * hiddenSize) + 4 * sharedIntermediateSize;
  return Math.max(4 * intermediateSize, chosen);
}
