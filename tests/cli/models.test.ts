import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { punie } from "../helpers/punie-in-process.js";

const FIXTURE = fileURLToPath(new URL("../fixtures/tiny-coder-4bit", import.meta.url));

let home: string;
let modelsDir: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "punie-models-"));
  modelsDir = join(home, "models");
  vi.stubEnv("HOME", home);
  for (const name of ["PUNIE_MODEL", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"]) vi.stubEnv(name, "");
  vi.stubEnv("PUNIE_MODELS_DIR", modelsDir);
  await cp(FIXTURE, join(modelsDir, "org--tiny"), { recursive: true });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true });
});

test.each([[["models"]], [["models", "list"]]])("%j lists what is on disk", async (args) => {
  const { code, stdout } = await punie(...args);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^Name +Size +Weights +Commit +State\norg\/tiny +[\d.]+ [kM]B +4-bit, group 64 +- +complete\n$/,
  );
});

test("list says how to go on with a partial model, and prints JSON", async () => {
  await rm(join(modelsDir, "org--tiny", "model.safetensors"));
  await writeFile(join(modelsDir, "org--tiny", "model.safetensors.index.json"), "{}");
  expect((await punie("models")).stderr).toContain("No models in");
  await cp(FIXTURE, join(modelsDir, "org--part", ".punie"), { recursive: true });
  const { stdout, stderr } = await punie("models", "--models-dir", modelsDir);
  expect(stdout).toMatch(/org\/part .* partial\n$/);
  expect(stderr).toBe(`Go on with: punie download-model org/part --models-dir ${modelsDir}\n`);
  expect(JSON.parse((await punie("models", "list", "--json")).stdout)).toMatchObject([
    { name: "org/part", complete: false },
  ]);
});

test("show tells architecture and sizes, and prints the model card without what a terminal could obey", async () => {
  const card = "---\nlicense: mit\n---\n# Tiny\n\u001b[2Jhello\n";
  await writeFile(join(modelsDir, "org--tiny", "README.md"), card);
  const { code, stdout } = await punie("models", "show", "org/tiny");
  expect(code).toBe(0);
  expect(stdout).toMatch(/Architecture +qwen2\n/);
  expect(stdout).toMatch(/Weights +762\.1 kB, 4-bit, group 64\n/);
  expect(stdout).toContain("\n# Tiny\n[2Jhello\n");
  expect(stdout).not.toContain("license");
  const json = JSON.parse((await punie("models", "show", "org/tiny", "--json")).stdout) as object;
  expect(json).toMatchObject({ name: "org/tiny", modelType: "qwen2", weightBytes: 762112, card });
});

test("remove asks on a terminal only: without one it wants --yes", async () => {
  const refused = await punie("models", "remove", "org/tiny");
  expect(refused).toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringContaining("models remove org/tiny --yes"),
  });
  expect(await readdir(modelsDir)).toEqual(["org--tiny"]);
  const { code, stdout } = await punie("models", "remove", "org/tiny", "--yes");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Removed org\/tiny: .* freed\.\n$/);
  expect(await readdir(modelsDir)).toEqual([]);
});

test.each([
  [
    ["models", "show", "org/none"],
    1,
    "Model 'org/none' is not downloaded.\nDownload it with: punie download-model org/none\n",
  ],
  [["models", "verify", "org/none"], 1, "Model 'org/none' is not downloaded."],
  [["models", "verify", "org/tiny"], 1, "nothing to verify against"],
  [["models", "remove", "org/none", "--yes"], 1, "nothing to remove"],
  [["models", "show", "./none"], 1, "no such file or directory"],
  [["models", "show", "org/ne", "extra"], 2, "too many arguments"],
  [["models", "shwo", "org/tiny"], 2, "error"],
  [["models", "lst"], 2, "'lst' is not one of list, show, verify, remove"],
  [["models", "show"], 2, "missing required argument"],
])("%j exits with %i", async (args, expected, text) => {
  const { code, stdout, stderr } = await punie(...args);
  expect(code).toBe(expected);
  expect(stdout).toBe("");
  expect(stderr).toContain(text);
});

test("remove tells what keeps a model from being removed", async () => {
  await writeFile(join(modelsDir, "org--tiny", ".punie"), "");
  const { code, stderr } = await punie("models", "remove", "org/tiny", "--yes");
  expect(code).toBe(1);
  expect(stderr).toMatch(/^.*org--tiny: can't be removed \(EEXIST: .*\)\.\n$/);
});
