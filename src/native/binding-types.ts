/**
 * The whole surface between TypeScript and the addon. `native/binding/` reads and writes exactly these shapes;
 * it checks every offset, shape and range again, because a header may lie.
 */
import type { ErrorCode } from "../errors.js";

/** A safetensors dtype name. */
export type TensorDtype = "F32" | "F16" | "BF16" | "U32" | "I32" | "F64" | "I64" | "I16" | "U16" | "I8" | "U8" | "BOOL";

/** One tensor of a weight file. `offset` is absolute in the file, in bytes. */
export interface NativeTensor {
  name: string;
  /** Index into `NativeModelSpec.files`. */
  file: number;
  dtype: TensorDtype;
  shape: number[];
  offset: number;
  bytes: number;
}

/** Integers with a scale and a bias per group, or small floats with a scale of one byte per group. */
export type QuantizationMode = "affine" | "mxfp4" | "mxfp8" | "nvfp4";

/**
 * How the weights of a layer are packed, in MLX's words. affine: `bits` 2 3 4 5 6 8, `groupSize` 32 64 128, values
 * `scale * q + bias`. The others have one width and group each: mxfp4 4 bits and 32, mxfp8 8 and 32, nvfp4 4 and 16,
 * and where a layer has `.global_scale` one more scale for all of it.
 */
export interface Quantization {
  mode: QuantizationMode;
  bits: number;
  groupSize: number;
}

export interface RopeScaling {
  type: "linear" | "dynamic" | "llama3" | "yarn";
  factor: number;
  lowFreqFactor?: number;
  highFreqFactor?: number;
  originalMaxPositionEmbeddings?: number;
  betaFast?: number;
  betaSlow?: number;
  mscale?: number;
  mscaleAllDim?: number;
}

/** What mixes the tokens of a layer. */
export type LayerType = "full_attention" | "sliding_attention" | "linear_attention";

/** A gated delta net in place of a layer's attention. Sizes are counts. */
export interface LinearAttentionConfig {
  keyHeads: number;
  /** A multiple of `keyHeads`. */
  valueHeads: number;
  keyHeadDim: number;
  valueHeadDim: number;
  /** Tokens that the convolution before it sees. */
  convKernelSize: number;
}

/** A mixture of experts in place of a layer's feed-forward block. Sizes are counts. */
export interface ExpertsConfig {
  count: number;
  perToken: number;
  intermediateSize: number;
  /** 0: no expert is shared by all tokens. */
  sharedIntermediateSize: number;
  /** The shares of a token's experts are made to sum up to 1. */
  normalizeShares: boolean;
  /** For each layer, whether it has experts. */
  layers: boolean[];
}

/** What a decoder needs to know of config.json, checked and with defaults filled in. Sizes are counts, not bytes. */
export interface NativeModelConfig {
  modelType: string;
  hiddenSize: number;
  hiddenLayers: number;
  intermediateSize: number;
  attentionHeads: number;
  keyValueHeads: number;
  headDim: number;
  vocabSize: number;
  rmsNormEps: number;
  ropeTheta: number;
  /** Dimensions of a head that rotate, the first ones; even. */
  ropeDimensions: number;
  ropeTraditional: boolean;
  ropeScaling?: RopeScaling;
  maxPositionEmbeddings: number;
  tieWordEmbeddings: boolean;
  /** An embedding model without lm_head: what asks for logits fails. Default false. */
  headless?: boolean;
  /** Biases of q, k, v and o; qwen2 has them always, and on q, k and v only. */
  attentionBias: boolean;
  mlpBias: boolean;
  /** One for each layer. Default: full attention everywhere. */
  layerTypes?: LayerType[];
  /** Positions that a layer of sliding attention sees, a token's own among them. */
  slidingWindow?: number;
  experts?: ExpertsConfig;
  /** Of the layers of linear attention. */
  linearAttention?: LinearAttentionConfig;
}

export interface NativeModelSpec {
  config: NativeModelConfig;
  /** Weight files; `bytes` is the size they must still have when mapped. */
  files: { path: string; bytes: number }[];
  tensors: NativeTensor[];
  /**
   * What config.json says of quantization. A row of `layers` (by module path, such as
   * `model.layers.0.self_attn.q_proj`; false: not quantized) must agree with the layer's tensors; a layer without a row
   * is what its tensors say.
   */
  quantization?: { defaults: Quantization; layers: Record<string, Quantization | false> };
}

export type NativeDevice = "cpu" | "metal" | "cuda";

export interface NativeLoadOptions {
  device: NativeDevice;
  /** Threads of the CPU kernels. */
  threads: number;
  /** Most positions (prompt + generated) a sequence may have. */
  contextLength: number;
  /** Prompt tokens per forward pass. */
  prefillChunk: number;
  /** Most bytes of KV caches, all together: requests wait for room. Absent: no limit. */
  cacheBytes?: number;
  /** Use MLX's own operations on the CPU too: what runs on a GPU, for tests. Default false. */
  stockOps?: boolean;
  /** Called for each batch of events, in order, on the JavaScript thread. */
  onEvents: (events: NativeEvent[]) => void;
}

export interface NativeSampling {
  /** 0 is greedy. */
  temperature: number;
  /** 1 is off. */
  topP: number;
  /** 0 is off. */
  topK: number;
  /** 0 is off. */
  minP: number;
  /** 1 is off. */
  repetitionPenalty: number;
  /** Last tokens that the three penalties look at. */
  repetitionContext: number;
  /** 0 is off. */
  presencePenalty: number;
  /** 0 is off. */
  frequencyPenalty: number;
  /** Added to the logits: pairs of token id and value. */
  logitBias: [id: number, value: number][];
  /** Noise is a function of this and the position: an unsigned integer below 2^53. */
  seed: number;
}

export interface NativeRequest {
  /** Chosen by the caller, unique among the model's running requests. */
  id: number;
  prompt: Uint32Array;
  /** 0: the request ends with its prompt, which may share passes with others of this kind. */
  maxTokens: number;
  /** Ids that end the text; the one that ended it is not emitted as a token event. */
  stopIds: number[];
  sampling: NativeSampling;
  /** -1: none; 0: the chosen token's log-probability; N: and the N best. */
  logprobs: number;
  /** As `logprobs`, for each token of the prompt but the first. It is then computed whole, nothing taken from a cache. */
  promptLogprobs?: number;
  /** Asks for the prompt's embedding: the hidden state, after the final norm, of the last token, or the mean of all. */
  pooling?: "last" | "mean";
  /** Asks for the log-probabilities of these ids after the prompt. */
  scoreIds?: number[];
  /** The id of a loaded adapter. Requests with different ones don't share passes. */
  adapter?: number;
}

export type NativeFinishReason = "stop" | "length" | "cancelled";

export type NativeEvent =
  | { type: "prefill"; request: number; processed: number; total: number }
  | { type: "token"; request: number; id: number; logprob?: number; top?: [id: number, logprob: number][] }
  /** `first`: the index in the prompt of the first of these tokens. Chunk by chunk, in order. */
  | {
      type: "prompt-logprobs";
      request: number;
      first: number;
      logprobs: Float32Array;
      top?: [id: number, logprob: number][][];
    }
  | { type: "embedding"; request: number; values: Float32Array }
  | { type: "scores"; request: number; logprobs: Float32Array }
  | {
      type: "finish";
      request: number;
      reason: NativeFinishReason;
      promptTokens: number;
      cachedTokens: number;
      completionTokens: number;
      /** From the start of the work on the prompt, after any wait, to its end. 0 when it did not get there. */
      promptMs: number;
      /** From the request's arrival, any wait with it, to its first token. 0 without one. */
      firstTokenMs: number;
      /** From the first token to the last. 0 without one. */
      generationMs: number;
    }
  | { type: "error"; request: number; code: ErrorCode; message: string };

/** A LoRA or DoRA adapter in one safetensors file. */
export interface NativeAdapterSpec {
  /** Chosen by the caller, above 0 and never used twice on a model. */
  id: number;
  file: { path: string; bytes: number };
  /** `file` is 0 in each. */
  tensors: NativeTensor[];
  layers: NativeAdapterLayer[];
}

/** What it adds to a linear layer: `scale * (x a) b`. `a`, `b` and `magnitude` are names of tensors. */
export interface NativeAdapterLayer {
  /** Module path, such as `model.layers.0.self_attn.q_proj`. */
  path: string;
  scale: number;
  a: string;
  b: string;
  /** DoRA: what each output is brought to. */
  magnitude?: string;
  /**
   * False: `a` is [inputs, rank], `b` [rank, outputs] (mlx-lm). True: [rank, inputs], [outputs, rank] (PEFT). Of experts,
   * `….switch_mlp.NAME`, they are [experts, rank, inputs] and [experts, outputs, rank].
   */
  transposed: boolean;
}

export interface NativeMemory {
  /** Bytes of weights: mapped on the CPU, resident on a GPU. */
  modelBytes: number;
  /** Bytes of KV caches now, that which is kept for the next prompt with them. */
  cacheBytes: number;
  /** The most bytes that the activations of one pass have taken so far. 0 on a GPU. */
  workBytes: number;
  /** Largest resident size of the process so far. */
  peakBytes: number;
}

/** A loaded model: one owner thread, on which up to eight requests share each forward pass (`engine/scheduler.cc`). */
export interface NativeModel {
  /**
   * Starts a request, or has it wait for its turn, in the order they came, while eight others run. What comes of it is
   * told through `onEvents`, ending in one `finish` or `error`.
   */
  start(request: NativeRequest): void;
  /** Stops a request within a token or a prefill chunk; it still gets its `finish`, reason "cancelled". */
  cancel(id: number): void;
  /** Settles when requests may name it. Rejects with `WEIGHTS_MISMATCH`, `MODEL_CORRUPT`, `OUT_OF_MEMORY`. */
  loadAdapter(spec: NativeAdapterSpec): Promise<void>;
  /** For requests to come; those that were started with it keep it. */
  unloadAdapter(id: number): void;
  /** Frees what is kept for requests to come, soon. */
  releaseCaches(): void;
  memory(): NativeMemory;
  /** Cancels what runs, frees everything, joins the thread. Idempotent. */
  dispose(): Promise<void>;
}

/** What `NativeBinding.loadTokenizer` found. */
export type NativeTokenizerLoad =
  | {
      served: true;
      tokenizer: NativeTokenizer;
      /** All tokens' bytes, one after another, by id. */
      bytes: Uint8Array<ArrayBuffer>;
      /** Where token `id` begins in `bytes`; it ends where the next begins. One longer than the vocabulary. */
      offsets: Uint32Array<ArrayBuffer>;
      /** Bit 0: the id has a token; bit 1: the token is special. */
      flags: Uint8Array<ArrayBuffer>;
      /** In the files' order. */
      specialTokenIds: number[];
      /** Texts between added tokens must be in NFC when they are encoded. */
      nfc: boolean;
    }
  | {
      served: false;
      /** What the files have that is not served. They may be broken, too. */
      reason: string;
    };

/** A byte-level BPE tokenizer of one of the served families. It may encode several texts at once. */
export interface NativeTokenizer {
  /** The text cut into its added tokens, as ids, and what is between. */
  split(text: string): (string | number)[];
  /**
   * The ids of a text, or of what `split` gave: its texts are not searched for added tokens again. At once for short
   * texts, off the event loop for others. Half surrogate pairs count as U+FFFD.
   * Throws or rejects with `MODEL_DISPOSED` once disposed, `INVALID_OPTION` for words of more than 8 MiB.
   */
  encode(
    text: string | (string | number)[],
    addSpecialTokens: boolean,
    parseSpecial: boolean,
  ): Uint32Array | Promise<Uint32Array>;
  /** Stops what is being encoded and frees everything. Idempotent. */
  dispose(): void;
}

/** Dtypes of weights that are not packed. */
export type FloatDtype = "F32" | "F16" | "BF16";

/** Quantized types of GGUF files. */
export type GgmlTypeName = "Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "Q8_0" | "Q2_K" | "Q3_K" | "Q4_K" | "Q5_K" | "Q6_K";

/** What an adapter changes a layer's rows by: matrices as `AdapterLayer` has them, whole. */
export interface NativeRowsAdapter {
  a: Uint8Array;
  aDtype: FloatDtype;
  b: Uint8Array;
  bDtype: FloatDtype;
  /** DoRA's. */
  magnitude?: Uint8Array;
  magnitudeDtype?: FloatDtype;
  rank: number;
  outputs: number;
  scale: number;
  /** As PEFT has them. */
  transposed: boolean;
  /** Of a stack of experts their number; `outputs` are those of one. */
  experts?: number;
  /** Of the layer's outputs, one expert's after another's, that of the first row. */
  firstRow: number;
}

/** Rows of a matrix on their way into a model directory: read, perhaps increased by one, cast, perhaps quantized. */
export interface NativeRows {
  /** Whole rows, one after another. Not to be changed before the promise is settled. */
  data: Uint8Array;
  /** Values in a row. */
  columns: number;
  /** Of `data`, or, where it is packed, of affine scales and biases. */
  dtype: FloatDtype;
  /** How `data` is quantized; then `scales`, and for affine `biases`, go with it. */
  packed?: Quantization;
  scales?: Uint8Array;
  biases?: Uint8Array;
  /** The type of GGUF's blocks that `data` has; `dtype` then says nothing, and the values are float32. */
  ggml?: GgmlTypeName;
  /** Default false. */
  addOne?: boolean;
  adapter?: NativeRowsAdapter;
  cast: FloatDtype;
  quantize?: Quantization;
}

export interface NativeConvertedRows {
  data: Uint8Array<ArrayBuffer>;
  /** Of the type `cast` for affine, else bytes. */
  scales?: Uint8Array<ArrayBuffer>;
  biases?: Uint8Array<ArrayBuffer>;
}

/** Affine groups of 32 with float16 scales and biases; sums over all values of the squared change and the squared value. */
export interface NativeCarriedRows extends Required<NativeConvertedRows> {
  errorSquares: number;
  valueSquares: number;
}

export interface NativeInfo {
  mlxVersion: string;
  /** Devices this build and machine can use, best first. */
  devices: NativeDevice[];
  deviceName: string;
  /** Instruction set of the CPU kernels in use. */
  cpuKernels: "amx" | "avx512" | "avx2" | "neon" | "portable";
  /** Physical cores this process may use. */
  cores: number;
}

/** What `require` of the addon returns. Its errors are plain `Error`s with `code`: `native/binding.ts` turns them into `PunieError`. */
export interface NativeBinding {
  info(): NativeInfo;
  loadModel(spec: NativeModelSpec, options: NativeLoadOptions): Promise<NativeModel>;
  /** Reads tokenizer.json and tokenizer_config.json of a model directory, off the event loop. */
  loadTokenizer(directory: string): Promise<NativeTokenizerLoad>;
  /** What MLX's own operations make of rows, off the event loop. Rejects with `INVALID_OPTION`, `MODEL_CORRUPT`, `OUT_OF_MEMORY`. */
  convertRows(rows: NativeRows): Promise<NativeConvertedRows>;
  /**
   * Rows of GGUF's blocks as MLX's affine groups of 32, off the event loop: of 4 bits for Q4_0, Q4_1 and Q4_K, 5 for
   * Q5_0, Q5_1 and Q5_K, 6 for Q2_K and Q3_K, 8 for Q6_K and Q8_0. Rejects with `INVALID_OPTION`, `MODEL_CORRUPT`,
   * `MODEL_UNSUPPORTED`.
   */
  carryGgmlRows(rows: { data: Uint8Array; columns: number; ggml: GgmlTypeName }): Promise<NativeCarriedRows>;
  /** Stops every model of this thread and waits for their threads; for the process's `exit` event. */
  shutdown(): void;
  /** Bytes a second that `threads` threads together read from memory. Takes about a quarter of a second, off the event loop. */
  measureMemoryBandwidth(threads: number): Promise<number>;
}
