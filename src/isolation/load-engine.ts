/** Loads a model's engine in this thread: in process, or at the far end of an isolated one. */
import { PunieError } from "../errors.js";
import { fromNative } from "../native/binding.js";
import type {
  NativeBinding,
  NativeDevice,
  NativeEvent,
  NativeModel,
  NativeModelSpec,
} from "../native/binding-types.js";

/** All that an engine is loaded from; can be sent to another process. */
export interface EngineSource {
  /** The model's directory, for messages. */
  path: string;
  spec: NativeModelSpec;
  device: "auto" | NativeDevice;
  /** 0: one per physical core that the process may use. */
  threads: number;
  contextLength: number;
  prefillChunk: number;
  /** Most bytes of KV caches, all together. */
  cacheBytes: number;
}

export interface LoadedEngine {
  /** What it runs on: the best there is for `auto`. */
  device: NativeDevice;
  native: NativeModel;
}

/** @throws PunieError the addon's; `INVALID_OPTION` for a device that this machine or build lacks. */
export async function loadEngine(
  binding: NativeBinding,
  { path, spec, device: asked, threads, ...sizes }: EngineSource,
  onEvents: (events: NativeEvent[]) => void,
): Promise<LoadedEngine> {
  const info = binding.info();
  const device = asked === "auto" ? (info.devices[0] ?? "cpu") : asked;
  if (!info.devices.includes(device)) {
    throw new PunieError(
      "INVALID_OPTION",
      `device: expected one that this machine and build can use: ${info.devices.join(", ")}, received "${device}".`,
    );
  }
  try {
    const native = await binding.loadModel(spec, { device, threads: threads || info.cores, ...sizes, onEvents });
    return { device, native };
  } catch (error) {
    throw fromNative(error, path);
  }
}
