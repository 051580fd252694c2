import { EventEmitter } from "node:events";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BarDisplay } from "../../src/cli/download-display.js";
import { LiveLines } from "../../src/cli/live-lines.js";
import type { DownloadEvent } from "../../src/hub/download-events.js";

/** Remembers what is written to it. */
class FakeTerminal extends EventEmitter {
  columns = 80;
  rows = 24;
  written = "";

  /** Without the clearing of what is right of a line and below the last, which shows only where something was. */
  write(text: string): void {
    expect(text).toMatch(/^(\r\u001b\[\d+A)?(.*\u001b\[K\n)*\u001b\[J$|^[^\u001b]*\n$/);
    this.written += text.replaceAll("\u001b[K", "").replace("\u001b[J", "");
  }

  /** What was written since the last call. */
  news(): string {
    const news = this.written;
    this.written = "";
    return news;
  }
}

let terminal: FakeTerminal;

beforeEach(() => {
  vi.useFakeTimers();
  terminal = new FakeTerminal();
});
afterEach(() => vi.useRealTimers());

const up = (rows: number) => `\r\u001b[${rows}A`;

test("draws over what it drew, and prints above it", () => {
  let step = 0;
  const live = new LiveLines(terminal, () => [`step ${step}`, "second"]);
  expect(terminal.news()).toBe("step 0\nsecond\n");
  step = 1;
  live.print("done");
  expect(terminal.news()).toBe(`${up(2)}done\nstep 1\nsecond\n`);
  vi.advanceTimersByTime(200);
  expect(terminal.news()).toBe(`${up(2)}step 1\nsecond\n`);
  live.stop(["last"]);
  live.stop(["last"]);
  expect(terminal.news()).toBe(`${up(2)}last\n`);
  vi.advanceTimersByTime(1000);
  live.print("late");
  expect(terminal.news()).toBe("");
});

test("clears the rows into which a narrower terminal broke the lines", () => {
  const live = new LiveLines(terminal, (columns) => ["x".repeat(columns - 1), "short"]);
  terminal.news();
  terminal.columns = 30;
  terminal.emit("resize");
  // 79 characters are 3 rows of 30.
  expect(terminal.news()).toBe(`${up(4)}${"x".repeat(29)}\nshort\n`);
  terminal.columns = 0;
  live.draw();
  expect(terminal.news()).toBe(`${up(2)}${"x".repeat(79)}\nshort\n`);
  live.stop([]);
  expect(terminal.listenerCount("resize")).toBe(0);
});

test("draws no more lines than the terminal has", () => {
  terminal.rows = 3;
  new LiveLines(terminal, () => ["1", "2", "3", "4"]).stop([]);
  expect(terminal.news()).toBe(`1\n2\n${up(2)}`);
});

const PLAN: DownloadEvent = {
  type: "plan",
  repository: "org/model",
  commit: "a".repeat(40),
  path: "/x",
  files: [],
  haveBytes: 0,
  totalBytes: 400,
};

test.each([40, 80, 200])("the bars of a download on %i columns: each line fits and tells its file", (columns) => {
  terminal.columns = columns;
  const display = new BarDisplay(terminal);
  display.show(PLAN);
  for (const i of [1, 2]) {
    const file = `model-0000${i}-of-00002.safetensors`;
    display.show({ type: "progress", file, fileBytes: 100, fileSize: 200, bytes: 100 * i, totalBytes: 400 });
  }
  terminal.news();
  vi.advanceTimersByTime(130);
  const lines = terminal.news().replace(up(1), "").replace(up(3), "").trimEnd().split("\n");
  expect(lines.map((line) => line.replace(/^(\S+( files)?) .*?( *\d+%).*/, "$1$3"))).toEqual([
    "all files  50%",
    "model-00001-of-00002  50%",
    "model-00002-of-00002  50%",
  ]);
  for (const line of lines) expect(line.length).toBeLessThan(columns);
  display.show({ type: "file", file: "model-00001-of-00002.safetensors", size: 200 });
  expect(terminal.news()).toContain("✓ model-00001-of-00002.safetensors (200 B)\n");
  display.stop();
  expect(terminal.news()).toMatch(/all files .*50% 200 B of 400 B\n$/);
});
