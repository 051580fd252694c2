/** Watches this process's memory while models are loaded, and tells them when it runs short. */
import { type AvailableMemory, readAvailableMemory } from "./available-memory.js";
import { loadedWeightBytes } from "./loaded-weights.js";
import { type MemoryPressure, type PressureLevel, pressureLevel } from "./pressure.js";

export interface PressureListener {
  /** Free what is kept for later: memory is short, or still is. */
  release(): void;
  /** It has become short, or shorter. Called after `release`. */
  told(pressure: MemoryPressure): void;
}

/** Reading takes a fraction of a millisecond; memory can fill by gigabytes in a second, and what is kept is not all. */
const INTERVAL_MS = 1000;
/** While memory is short, what has been kept again since is freed again, this many readings later. */
const READINGS_BETWEEN_RELEASES = 10;

export interface PressureMonitor {
  /** @returns What ends it. */
  watch(listener: PressureListener): () => void;
}

/** A timer that holds nothing open, while there is somebody to tell. */
export function createPressureMonitor(
  read: () => Promise<AvailableMemory>,
  takenBytes: () => number,
  intervalMs = INTERVAL_MS,
): PressureMonitor {
  const listeners = new Set<PressureListener>();
  let timer: NodeJS.Timeout | undefined;
  let level: PressureLevel = "normal";
  let readingsSinceRelease = 0;
  let looking = false;

  async function look(): Promise<void> {
    const memory = await read();
    const availableBytes = Math.max(0, memory.availableBytes - takenBytes());
    const before = level;
    level = pressureLevel(memory, availableBytes, before);
    if (level === "normal") return;
    const worse = before === "normal" || (before === "warning" && level === "critical");
    if (!worse && ++readingsSinceRelease < READINGS_BETWEEN_RELEASES) return;
    readingsSinceRelease = 0;
    const pressure = { level, availableBytes, totalBytes: memory.totalBytes };
    for (const listener of listeners) listener.release();
    // What a program throws when it is told is its own affair, and keeps nobody else from being told.
    if (worse) for (const listener of listeners) queueMicrotask(() => listener.told(pressure));
  }

  return {
    watch(listener) {
      listeners.add(listener);
      timer ??= setInterval(() => {
        if (looking) return;
        looking = true;
        // A reading that fails is followed by another.
        void look()
          .catch(() => undefined)
          .finally(() => {
            looking = false;
          });
      }, intervalMs).unref();
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(timer);
        timer = undefined;
        level = "normal";
      };
    },
  };
}

/** This thread's. */
export const pressureMonitor = createPressureMonitor(readAvailableMemory, loadedWeightBytes);
