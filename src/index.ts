/** The package's API. */

export type { EmbedOptions } from "./api/embed.js";
export { loadModel } from "./api/load-model.js";
export type { LoadOptions, LoadProgress } from "./api/load-options.js";
export type { ApplyChatTemplateOptions, Model } from "./api/model.js";
export type {
  Finish,
  FinishReason,
  GenerateResult,
  InvalidToolCall,
  LoadedModelInfo,
  StreamPart,
  Timings,
  Token,
  ToolCall,
  TopToken,
  Usage,
} from "./api/parts.js";
export type { PerplexityOptions, PerplexityProgress, PerplexityResult } from "./api/perplexity.js";
export type {
  ChatMessageInput,
  GenerateRequest,
  MessagesRequest,
  PromptProgress,
  PromptRequest,
  RequestOptions,
  ToolDefinition,
} from "./api/request.js";
export type { RankedDocument, RerankOptions } from "./api/rerank.js";
export type { SamplingOptions } from "./api/sampling.js";
export { EngineCrashedError, ERROR_CODES, type ErrorCode, ModelNotDownloadedError, PunieError } from "./errors.js";
export type { DownloadEvent } from "./hub/download-events.js";
export type { DownloadResult } from "./hub/download-model.js";
export { downloadModel } from "./hub/download-on-request.js";
export type { DownloadOptions } from "./hub/download-options.js";
export type { MemoryPressure } from "./memory/pressure.js";
export { type ListOptions, listModels, type ModelInfo } from "./models/list-models.js";
export { type ResolvedModel, type ResolveOptions, resolveModel } from "./models/resolve-model.js";
export type { NativeMemory as Memory } from "./native/binding-types.js";
