import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { barLine } from "../../src/cli/download-display.js";
import { formatDuration } from "../../src/cli/format-text.js";
import { RateMeter } from "../../src/cli/rate-meter.js";
import { formatBytes } from "../../src/format-bytes.js";
import { commitId } from "../helpers/fake-hub.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";
import { modelFiles } from "../helpers/fake-model.js";
import { punie } from "../helpers/punie-in-process.js";

const setup = setUpHub();

beforeEach(() => {
  vi.stubEnv("HOME", setup.home);
  vi.stubEnv("HF_ENDPOINT", setup.hub.endpoint);
  for (const name of ["PUNIE_MODEL", "PUNIE_MODELS_DIR", "HF_HOME", "HF_TOKEN", "HF_HUB_OFFLINE"]) vi.stubEnv(name, "");
});
afterEach(() => vi.unstubAllEnvs());

test("downloads with the messages that are promised, progress on stderr, the result on stdout", async () => {
  const { code, stdout, stderr } = await punie("download-model", NAME);
  const path = join(setup.home, ".cache/punie/models/org--model");
  expect(code).toBe(0);
  expect(stdout).toBe(
    `✓ Model downloaded successfully!\nLocation: ${path}\nUse with: punie serve --model local:${NAME}\n`,
  );
  expect(stderr).toContain(`Downloading ${NAME}...\nTarget directory: ${path}\n`);
  expect(stderr).toContain("✓ model.safetensors (300.1 kB)\n");
});

test("repeats --models-dir in what it tells to type", async () => {
  const dir = join(setup.home, "my models");
  const { stdout } = await punie("download-model", NAME, "--models-dir", dir);
  expect(stdout).toContain(`Use with: punie serve --model local:${NAME} --models-dir '${dir}'\n`);
});

test("a second run says that the model is up to date, a newer commit how to get it", async () => {
  await punie("download-model", NAME);
  expect((await punie("download-model", NAME)).stdout).toContain("up to date");
  setup.hub.repositories[NAME] = { files: { ...setup.files, "config.json": Buffer.from("{}") } };
  const { code, stdout } = await punie("download-model", NAME);
  expect(code).toBe(0);
  expect(stdout).toContain(`Get it with: punie download-model ${NAME} --update\n`);
});

test("a selection without weights is not said to be of use, but how to get all", async () => {
  const { code, stdout } = await punie("download-model", NAME, "--include", "*.json");
  expect(code).toBe(0);
  expect(stdout).not.toContain("Use with");
  expect(stdout).toContain(`Fetch all with: punie download-model ${NAME}\n`);
});

test("quiet prints nothing, and errors all the same", async () => {
  expect(await punie("download-model", NAME, "--quiet")).toEqual({ code: 0, stdout: "", stderr: "" });
  const failed = await punie("download-model", "org/none", "--quiet");
  expect(failed).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("org/none") });
});

test("json prints events as lines, the last one the result", async () => {
  const { stdout } = await punie("download-model", NAME, "--json");
  const events = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string });
  expect(events[0]).toMatchObject({ type: "plan", repository: NAME });
  expect(events.at(-1)).toMatchObject({ type: "done", commit: commitId({ files: setup.files }) });
});

test("json ends with a line for the error", async () => {
  const { code, stdout, stderr } = await punie("download-model", "org/none", "--json");
  expect(code).toBe(1);
  const last: unknown = JSON.parse(stdout.trim().split("\n").at(-1) as string);
  expect(last).toEqual({ type: "error", code: "HUB_NOT_FOUND", message: stderr.trimEnd() });
});

test("what is no repository is told as that, without advice to write a path, and where it came from", async () => {
  const { stderr } = await punie("download-model", "nonsense");
  expect(stderr).toContain(`"nonsense" is no repository of the Hub: it has no '/'. Expected ORG/NAME;`);
  expect(stderr).not.toContain("./");
  vi.stubEnv("PUNIE_MODEL", "./my-model");
  const fromEnvironment = await punie("download-model");
  expect(fromEnvironment.stderr).toMatch(/^PUNIE_MODEL: ".\/my-model" is no repository of the Hub: it is a path\./);
});

test("a dry run lists files, sizes, the total and the room, and keeps nothing", async () => {
  const { code, stdout } = await punie("download-model", NAME, "--dry-run");
  expect(code).toBe(0);
  expect(stdout).toMatch(/model\.safetensors +300\.1 kB +no/);
  expect(stdout).toMatch(/Total: 4 files, .* to fetch: /);
  expect(stdout).toContain("Free: ");
  const json = JSON.parse((await punie("download-model", NAME, "--dry-run", "--json")).stdout) as object;
  expect(json).toMatchObject({ repository: NAME, files: expect.any(Array), totalBytes: expect.any(Number) });
  const asked = setup.hub.requests.flatMap(({ file }) => file ?? []);
  expect([...new Set(asked)].sort()).toEqual(["config.json", "model.safetensors"]);
  expect(setup.hub.sentBytes).toBeLessThan(200_000);
  await expect(readdir(setup.modelsDir)).rejects.toMatchObject({ code: "ENOENT" });
});

test("lists the catalog with heading, columns, hint, and a mark for what is there", async () => {
  const there = join(setup.home, ".cache/punie/models/mlx-community--Qwen2.5-Coder-3B-Instruct-4bit");
  await mkdir(there, { recursive: true });
  for (const file of ["config.json", "model.safetensors"]) await writeFile(join(there, file), "{}");
  const { code, stdout } = await punie("download-model", "--list");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Available models:\n/);
  expect(stdout).toMatch(/Name +Size +Description/);
  expect(stdout).toMatch(/mlx-community\/Qwen2\.5-Coder-7B-Instruct-4bit +~4GB +default, best balance\n/);
  expect(stdout).toMatch(/mlx-community\/Qwen2\.5-Coder-3B-Instruct-4bit +~2GB +faster +✓ downloaded\n/);
  expect(stdout).toContain("Download with: punie download-model <model-name>\n");
  expect(stdout).toMatch(/mlx-community\/Qwen3-Coder-30B-A3B-Instruct-4bit +~17GB +most reliable tool calls\n/);
  const models = JSON.parse((await punie("download-model", "--list", "--json")).stdout) as { downloaded: boolean }[];
  expect(models.map(({ downloaded }) => downloaded)).toEqual([false, true, false, false]);
  expect(setup.hub.requests).toEqual([]);
});

test.each(["SIGINT", "SIGTERM"] as const)("%s keeps what came, and says which command goes on", async (signal) => {
  setup.hub.repositories[NAME] = { files: modelFiles(5_000_000) };
  setup.hub.fault = ({ host }) => {
    if (host === "cdn") setTimeout(() => process.emit(signal), 100);
    return host === "cdn" ? { stallAfter: 1_000_000 } : undefined;
  };
  const { code, stdout, stderr } = await punie("download-model", NAME, "--exclude", "*.md");
  expect(code).toBe(signal === "SIGINT" ? 130 : 143);
  expect(stdout).toBe("");
  expect(stderr).toContain(`go on with: punie download-model ${NAME} --exclude '*.md'\n`);
  setup.hub.fault = () => undefined;
  const again = await punie("download-model", NAME, "--exclude", "*.md");
  expect(again.code).toBe(0);
  expect(again.stderr).toContain("already here");
});

test.each([
  [["download-model", "mistyped"], 2],
  [["download-model", "org/mo del"], 2],
  [["download-model", "./path"], 2],
  [["download-model", "org/none"], 1],
  [["download-model", NAME, "--revision", "none"], 1],
  [["download-model", NAME, "--include", "none"], 2],
  [["download-model", NAME, "--max-rate", "fast"], 2],
  [["download-model", NAME, "--mdoels-dir", "x"], 2],
  [["download-model", NAME, "extra"], 2],
])("%j exits with %i, and stdout is empty", async (args, expected) => {
  const { code, stdout, stderr } = await punie(...args);
  expect(code).toBe(expected);
  expect(stdout).toBe("");
  expect(stderr).not.toBe("");
  expect(stderr).not.toContain("    at ");
});

test.each([20, 40, 60, 80, 200])("a bar fits a terminal of %i columns", (columns) => {
  let now = 0;
  const meter = new RateMeter(() => now);
  meter.start(0);
  now = 1000;
  meter.add(50_000_000);
  const line = barLine({ label: "model-00001-of-00004.safetensors", meter }, 50_000_000, 4_000_000_000, columns);
  expect(line.length).toBeLessThan(columns);
  expect(line).toContain("1%");
  if (columns >= 80) expect(line).toContain("50.0 MB/s, 2 min left");
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [999_999, "1.0 MB"],
  [4_280_000_000, "4.3 GB"],
])("%i bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0.2, "1 s"],
  [61, "2 min"],
  [7260, "2 h 1 min"],
])("%d seconds are %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});
