import { spawn } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { finished, MAIN } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const TERMINAL = fileURLToPath(new URL("../helpers/terminal.py", import.meta.url));

let modelsDir: string;
beforeAll(async () => {
  modelsDir = await mkdtemp(join(tmpdir(), "punie-remove-"));
  await cp(TINY_MODEL, join(modelsDir, "org--tiny"), { recursive: true });
});
afterAll(() => rm(modelsDir, { recursive: true }));

it.each([
  ["Ctrl-C leaves with 130", "\u0003", 130, ""],
  ["Ctrl-D removes nothing", "\u0004", 0, "Nothing was removed."],
  ["Enter alone removes nothing", "\r", 0, "Nothing was removed."],
])("at the question of punie models remove, %s", async (_, typed, expected, text) => {
  const command = [process.execPath, MAIN, "models", "remove", "org/tiny", "--models-dir", modelsDir];
  const child = spawn("python3", [TERMINAL, JSON.stringify([["\\[y/N\\] ", typed]]), ...command], {
    env: { ...process.env, NO_COLOR: "1", TERM: "xterm" },
  });
  const { stdout, exitCode } = await finished(child);
  expect(exitCode).toBe(expected);
  expect(stdout).toContain(text);
  expect(stdout).not.toContain("fault of punie");
  expect(await readdir(modelsDir)).toEqual(["org--tiny"]);
});
