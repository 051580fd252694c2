import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AvailableMemory } from "../../../src/memory/available-memory.js";
import { type MemoryPressure, pressureLevel } from "../../../src/memory/pressure.js";
import { createPressureMonitor } from "../../../src/memory/pressure-monitor.js";

const GIB = 2 ** 30;
const memory = (availableGib: number, totalGib = 16, stalled?: AvailableMemory["stalled"]): AvailableMemory => ({
  totalBytes: totalGib * GIB,
  availableBytes: availableGib * GIB,
  of: "machine",
  ...(stalled && { stalled }),
});

describe("memory is short", () => {
  it.each([
    ["with plenty of room", memory(8), "normal"],
    ["with less than a tenth", memory(1.5), "warning"],
    ["with less than a twentieth", memory(0.7), "critical"],
    ["on a large machine, by gigabytes", memory(10, 512), "normal"],
    ["on a large machine, by gigabytes", memory(1.9, 512), "warning"],
    ["on a large machine, by gigabytes", memory(0.9, 512), "critical"],
    ["when some tasks wait for it", memory(8, 16, { some: 12, all: 0 }), "warning"],
    ["when all tasks wait for it", memory(8, 16, { some: 20, all: 15 }), "critical"],
  ] as const)("%s: %j is %s", (_, reading, level) => {
    expect(pressureLevel(reading, reading.availableBytes, "normal")).toBe(level);
  });

  it("until there is clearly more room than it began with", () => {
    const level = (gib: number, before: "warning" | "critical") => pressureLevel(memory(gib), gib * GIB, before);
    expect([level(1.8, "warning"), level(2.1, "warning")]).toEqual(["warning", "normal"]);
    expect([level(0.9, "critical"), level(1.1, "critical"), level(1.8, "critical")]).toEqual([
      "critical",
      "warning",
      "warning",
    ]);
  });
});

describe("the monitor", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function monitor(takenBytes = 0) {
    let reading = memory(8);
    let reads = 0;
    const read = async () => {
      reads++;
      return reading;
    };
    const { watch } = createPressureMonitor(read, () => takenBytes, 1000);
    const listen = () => {
      const heard: (MemoryPressure["level"] | "release")[] = [];
      const unwatch = watch({ release: () => void heard.push("release"), told: ({ level }) => void heard.push(level) });
      return { heard, unwatch };
    };
    const pass = async (availableGib: number, seconds = 1) => {
      reading = memory(availableGib);
      await vi.advanceTimersByTimeAsync(seconds * 1000);
    };
    return { listen, pass, reads: () => reads };
  }

  it("frees, then tells, once for each step down", async () => {
    const { listen, pass } = monitor();
    const { heard } = listen();
    await pass(8, 3);
    expect(heard).toEqual([]);
    await pass(1.5, 3);
    expect(heard).toEqual(["release", "warning"]);
    await pass(0.5, 3);
    expect(heard.slice(2)).toEqual(["release", "critical"]);
    await pass(8);
    await pass(1.5);
    expect(heard.slice(4)).toEqual(["release", "warning"]);
  });

  it("frees again while it lasts, and tells no more", async () => {
    const { listen, pass } = monitor();
    const { heard } = listen();
    await pass(1.5, 31);
    expect(heard).toEqual(["release", "warning", "release", "release", "release"]);
  });

  it("does not count the weights that models read as available", async () => {
    const { listen, pass } = monitor(7 * GIB);
    const { heard } = listen();
    await pass(8);
    expect(heard).toEqual(["release", "warning"]);
  });

  it("reads while somebody listens, and not otherwise", async () => {
    const { listen, pass, reads } = monitor();
    await pass(8, 5);
    expect(reads()).toBe(0);
    const [first, second] = [listen(), listen()];
    await pass(8, 5);
    expect(reads()).toBe(5);
    first.unwatch();
    second.unwatch();
    await pass(8, 5);
    expect(reads()).toBe(5);
  });
});
