/** The package's API. */

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
export type {
  GenerateRequest,
  MessagesRequest,
  PromptProgress,
  PromptRequest,
  RequestOptions,
} from "./api/request.js";
export type { SamplingOptions } from "./api/sampling.js";
export type { ChatMessageInput, ToolDefinition } from "./chat/messages.js";
export { ERROR_CODES, type ErrorCode, ModelNotDownloadedError, PunieError } from "./errors.js";
export { type ResolvedModel, resolveModel } from "./models/resolve-model.js";
export type { NativeMemory as Memory } from "./native/binding-types.js";
