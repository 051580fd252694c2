import type { RequestQueue } from "./request-queue.js";
import type { ServedModel } from "./served-model.js";

/** What every route works with. */
export interface ServerContext {
  model: ServedModel;
  /** Names that requests may give for the model; the first is the one it is listed under. */
  modelNames: readonly [string, ...string[]];
  queue: RequestQueue;
  bodyLimitBytes: number;
  keepAliveMs: number;
  /** Seconds since 1970 at which the model was put up. */
  created: number;
  /** Aborts when the server stops. */
  stopping: AbortSignal;
  log: (level: LogLevel, message: string) => void;
}

export type LogLevel = "error" | "warn" | "info" | "debug";
