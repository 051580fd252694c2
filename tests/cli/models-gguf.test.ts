import { copyFile, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FIXTURES } from "../helpers/golden.js";
import { punie } from "../helpers/punie-in-process.js";

let home: string;
let file: string;
let places: string[];
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "punie-models-gguf-"));
  file = join(home, "tiny.gguf");
  places = ["--models-dir", join(home, "models")];
  await copyFile(join(FIXTURES, "gguf", "llama.gguf"), file);
});
afterEach(() => rm(home, { recursive: true }));

test("a GGUF file answers on the command line; that it is imported is said, once", async () => {
  const args = ["generate", "--model", file, ...places, "--raw", "--prompt", "def", "--max-tokens", "2"];
  const first = await punie(...args);
  expect([first.code, first.stderr]).toEqual([
    0,
    expect.stringMatching(/^Importing .*tiny\.gguf as an MLX model, .* once\.\.\.\n/),
  ]);
  const second = await punie(...args);
  expect(second).toMatchObject({ code: 0, stdout: first.stdout, stderr: expect.not.stringContaining("Importing") });
});

test("models show tells of a GGUF file as it is loaded, and verify that there is nothing to hold it to", async () => {
  const shown = await punie("models", "show", file, ...places);
  expect(shown.stdout).toMatch(
    /^Name +.*tiny\.gguf\n[\s\S]*Architecture +llama\nWeights +[\d.]+ kB, 4-bit, group 32, \d layers with their own\n/,
  );
  const verified = await punie("models", "verify", file, ...places);
  expect([verified.code, verified.stderr]).toEqual([1, expect.stringContaining("no manifest")]);
});

test("models remove takes away what was imported, and leaves the file", async () => {
  await punie("models", "show", file, ...places);
  const removed = await punie("models", "remove", file, ...places);
  expect([removed.code, removed.stdout]).toEqual([
    0,
    expect.stringMatching(/^Removed what was imported of .*tiny\.gguf: .* freed\./),
  ]);
  expect(await readdir(join(home, "models", ".gguf"))).toEqual([]);
  expect(await readdir(home)).toContain("tiny.gguf");
  expect((await punie("models", "remove", file, ...places)).stderr).toContain("nothing was imported");
});

test("the import of a file that is gone goes with the next import", async () => {
  const other = join(home, "other.gguf");
  await copyFile(file, other);
  await punie("models", "show", other, ...places);
  await rm(other);
  await punie("models", "show", file, ...places);
  expect(await readdir(join(home, "models", ".gguf"))).toEqual([expect.stringMatching(/^tiny-/)]);
  expect((await punie("models", "list", ...places)).stderr).toContain("No models");
});
