/** `punie/server`: the HTTP API as a fetch handler. */
export type { LogLevel } from "./context.js";
export { createHandler, type Handler, type HandlerOptions } from "./create-handler.js";
export type { NamedModel } from "./model-names.js";
export type {
  ServedDefaults,
  ServedMessage,
  ServedModel,
  ServedPart,
  ServedRequest,
  ServedToken,
  ServedTool,
  ServedUsage,
} from "./served-model.js";
