/** What the two ends of an isolated engine say to each other: plain values that a structured clone can carry. */
import type { ErrorCode } from "../errors.js";
import type {
  NativeAdapterSpec,
  NativeDevice,
  NativeEvent,
  NativeMemory,
  NativeRequest,
} from "../native/binding-types.js";
import type { EngineSource } from "./load-engine.js";

/** `load` comes first and once; `dispose` last, at any time. The others wait for `loaded`. */
export type ToEngine =
  | { type: "load"; source: EngineSource }
  | { type: "start"; request: NativeRequest }
  | { type: "cancel"; id: number }
  | { type: "load-adapter"; spec: NativeAdapterSpec }
  | { type: "unload-adapter"; id: number }
  | { type: "dispose" };

export type FromEngine =
  | { type: "loaded"; device: NativeDevice; memory: NativeMemory }
  | { type: "load-failed"; code: ErrorCode; message: string }
  | { type: "adapter-loaded"; id: number }
  | { type: "adapter-failed"; id: number; code: ErrorCode; message: string }
  | { type: "events"; events: NativeEvent[]; memory: NativeMemory };
