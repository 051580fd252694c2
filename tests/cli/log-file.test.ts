import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { openLogFile } from "../../src/cli/log-file.js";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "punie-log-"));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
  vi.unstubAllEnvs();
});

const unwritable = (warning: string) => {
  throw new Error(warning);
};
const read = (name = "punie.log") => readFileSync(join(directory, name), "utf8");

it("writes the time, the level and the message, in a file for its owner alone", async () => {
  const log = await openLogFile({ directory: join(directory, "a", "b"), onUnwritable: unwritable });
  log("info", "hello");
  expect(read("a/b/punie.log")).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info hello\n$/);
  expect(statSync(join(directory, "a/b/punie.log")).mode & 0o777).toBe(0o600);
});

it("leaves out what is of less weight than the level", async () => {
  const log = await openLogFile({ directory, level: "warn", onUnwritable: unwritable });
  for (const level of ["error", "warn", "info", "debug"] as const) log(level, "x");
  expect(read().match(/ (error|warn|info|debug) /g)).toEqual([" error ", " warn "]);
});

it("takes the level of PUNIE_LOG_LEVEL, and refuses one that isn't any", async () => {
  vi.stubEnv("PUNIE_LOG_LEVEL", "debug");
  (await openLogFile({ directory, onUnwritable: unwritable }))("debug", "x");
  expect(read()).toContain("debug x");
  vi.stubEnv("PUNIE_LOG_LEVEL", "loud");
  await expect(openLogFile({ directory, onUnwritable: unwritable })).rejects.toThrow(
    'PUNIE_LOG_LEVEL: expected one of error, warn, info, debug, received "loud".',
  );
});

it("keeps an entry on its line", async () => {
  (await openLogFile({ directory, onUnwritable: unwritable }))("info", "a\nb\u001b[31m\u009b");
  expect(read()).toMatch(/info a\\x0ab\\x1b\[31m\\x9b\n$/);
});

it("keeps three files and no more bytes in each than it may", async () => {
  const log = await openLogFile({ directory, maxBytes: 100, onUnwritable: unwritable });
  for (let entry = 0; entry < 20; entry++) log("info", `entry ${entry}`);
  expect(readdirSync(directory).sort()).toEqual(["punie.log", "punie.log.1", "punie.log.2"]);
  for (const name of readdirSync(directory)) expect(read(name).length).toBeLessThanOrEqual(100);
  expect(read()).toContain("entry 19");
  expect(read("punie.log.2")).not.toContain("entry 0\n");
});

it("warns once and goes on when it can't be written", async () => {
  const file = join(directory, "file");
  writeFileSync(file, "");
  const warnings: string[] = [];
  const log = await openLogFile({ directory: join(file, "logs"), onUnwritable: (warning) => warnings.push(warning) });
  log("info", "x");
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/^No log is written: .*--log-dir\.$/);
});
