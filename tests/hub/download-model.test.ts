import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { downloadModel } from "../../src/hub/download-model.js";
import type { DownloadOptions } from "../../src/hub/download-options.js";
import { isModelThere } from "../../src/models/completeness.js";
import { readManifest } from "../../src/models/manifest.js";
import { commitId, FakeHub } from "../helpers/fake-hub.js";
import { modelFiles, NEEDED_FILES } from "../helpers/fake-model.js";

const NAME = "org/model";
let hub: FakeHub;
let home: string;
let modelsDir: string;
let directory: string;

beforeEach(async () => {
  hub = await FakeHub.start();
  hub.repositories[NAME] = { files: modelFiles() };
  home = await mkdtemp(join(tmpdir(), "punie-download-"));
  modelsDir = join(home, "models");
  directory = join(modelsDir, "org--model");
});

afterEach(async () => {
  await hub.stop();
  await rm(home, { recursive: true, force: true });
});

function options(more: DownloadOptions = {}, env: Record<string, string> = {}): DownloadOptions {
  return {
    modelsDir,
    retry: { attempts: 4, baseMs: 1 },
    env: { HOME: home, HF_ENDPOINT: hub.endpoint, ...env },
    ...more,
  };
}

test("fetches what a model needs, byte for byte, and writes the manifest", async () => {
  const files = modelFiles();
  const result = await downloadModel(NAME, options());
  const bytes = NEEDED_FILES.reduce((sum, path) => sum + (files[path] as Buffer).length, 0);
  expect(result).toMatchObject({ path: directory, commit: commitId({ files }), bytes, fetchedBytes: bytes });
  expect((await readdir(directory)).sort()).toEqual([".punie", ...NEEDED_FILES].sort());
  for (const path of NEEDED_FILES)
    expect((await readFile(join(directory, path))).equals(files[path] as Buffer)).toBe(true);
  expect(await readdir(join(directory, ".punie"))).toEqual(["manifest.json"]);
  const manifest = await readManifest(directory);
  expect(manifest?.files.map((file) => file.path).sort()).toEqual([...NEEDED_FILES].sort());
  expect(await isModelThere(directory)).toBe(true);
  expect((await stat(join(directory, "model.safetensors"))).nlink).toBe(1);
});

test("asks the Hub once when the model is there and up to date", async () => {
  await downloadModel(NAME, options());
  hub.requests.length = 0;
  const events: string[] = [];
  const result = await downloadModel(NAME, options({ onProgress: (event) => events.push(event.type) }));
  expect(hub.requests).toHaveLength(1);
  expect(events).toEqual(["up-to-date"]);
  expect(result.fetchedBytes).toBe(0);
});
