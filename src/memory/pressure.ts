/** When memory is short, by what the system tells. */
import type { AvailableMemory } from "./available-memory.js";

export interface MemoryPressure {
  /** `warning`: free what can be missed. `critical`: the system may soon end processes. */
  level: "warning" | "critical";
  /** What this process could still take, the weights that its models read not counted. */
  availableBytes: number;
  /** The machine's memory, or the container's limit. */
  totalBytes: number;
}

export type PressureLevel = MemoryPressure["level"] | "normal";

const GIBIBYTE = 2 ** 30;
/** Shares of the memory, no more than so many bytes, and percent of time that some or all tasks wait for memory. */
const LEVELS = [
  { level: "critical", share: 0.05, bytes: GIBIBYTE, some: Number.POSITIVE_INFINITY, all: 10 },
  { level: "warning", share: 0.1, bytes: 2 * GIBIBYTE, some: 10, all: 5 },
] as const;
/** A level is left once there is so much more room than it is entered with, so that it does not come and go. */
const TO_LEAVE = 1.25;

/** @param before The level until now. */
export function pressureLevel(
  { totalBytes, stalled }: AvailableMemory,
  availableBytes: number,
  before: PressureLevel,
): PressureLevel {
  let stays = false;
  for (const { level, share, bytes, some, all } of LEVELS) {
    stays ||= level === before;
    const slack = stays ? TO_LEAVE : 1;
    if (availableBytes < Math.min(totalBytes * share, bytes) * slack) return level;
    if (stalled && (stalled.some * slack >= some || stalled.all * slack >= all)) return level;
  }
  return "normal";
}
