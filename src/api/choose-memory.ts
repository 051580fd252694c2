/** How much of its machine's memory a model may take, settled before it is loaded. */

import { readAvailableMemory } from "../memory/available-memory.js";
import { type Fit, fitMemory } from "../memory/fit-memory.js";
import { loadedWeightBytes, registerWeights } from "../memory/loaded-weights.js";
import { cacheBytes, planMemory, totalBytes } from "../memory/memory-plan.js";
import type { MemoryPressure } from "../memory/pressure.js";
import { pressureMonitor } from "../memory/pressure-monitor.js";
import { longestContext } from "../models/longest-context.js";
import type { ModelDirectory } from "../models/model-directory.js";
import type { NativeDevice, NativeModel } from "../native/binding-types.js";
import { type CheckedLoadOptions, chooseContextLength } from "./load-options.js";

/** @throws PunieError `OUT_OF_MEMORY` for what can't fit; `INVALID_OPTION` for a context that the model can't take. */
export async function chooseMemory({ path, spec, config }: ModelDirectory, options: CheckedLoadOptions): Promise<Fit> {
  const longest = longestContext(config);
  const device = likelyDevice(options.device);
  return fitMemory({
    path,
    spec,
    device,
    longest,
    contextLength: chooseContextLength(options.contextLength, longest),
    prefillChunk: options.prefillChunk,
    memoryLimitBytes: options.memoryLimitBytes,
    cacheBytes: options.cacheBytes,
    // A CUDA device has memory of its own.
    available: device === "cuda" ? undefined : await readAvailableMemory(),
    takenBytes: loadedWeightBytes(spec),
  });
}

/** What loading with such a context asks for, and the part of it that keys and values take, in bytes. */
export function requiredMemory(
  { spec }: ModelDirectory,
  { device, prefillChunk }: CheckedLoadOptions,
  contextLength: number,
): { totalBytes: number; cacheBytes: number } {
  const plan = planMemory(spec, { device: likelyDevice(device), prefillChunk, contextLength });
  return { totalBytes: totalBytes(plan, contextLength), cacheBytes: cacheBytes(plan, contextLength) };
}

/** Frees what a loaded model keeps when memory runs short, and counts its weights as taken. @returns What ends both. */
export function watchMemory(
  { spec }: ModelDirectory,
  native: NativeModel,
  onMemoryPressure: ((pressure: MemoryPressure) => void) | undefined,
): () => void {
  const forget = registerWeights(spec);
  const unwatch = pressureMonitor.watch({
    release: () => native.releaseCaches(),
    told: (pressure) => onMemoryPressure?.(pressure),
  });
  return () => {
    unwatch();
    forget();
  };
}

/** `auto` is settled by the addon, which an isolated engine's owner need not load. */
function likelyDevice(asked: "auto" | NativeDevice): NativeDevice {
  if (asked !== "auto") return asked;
  return process.platform === "darwin" ? "metal" : "cpu";
}
