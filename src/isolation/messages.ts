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
  | { type: "release-caches" }
  | { type: "dispose" };

/** Before it has said anything. */
export const NO_MEMORY: NativeMemory = { modelBytes: 0, cacheBytes: 0, workBytes: 0, peakBytes: 0 };

export type FromEngine =
  | { type: "loaded"; device: NativeDevice; memory: NativeMemory }
  | { type: "load-failed"; code: ErrorCode; message: string }
  | { type: "adapter-loaded"; id: number }
  | { type: "adapter-failed"; id: number; code: ErrorCode; message: string }
  | { type: "events"; events: NativeEvent[]; memory: NativeMemory };
