import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listModels } from "../../../src/models/list-models.js";
import { writeManifest } from "../../../src/models/manifest.js";
import { removeModel } from "../../../src/models/remove-model.js";
import { verifyModel } from "../../../src/models/verify-model.js";
import { gitBlobId, sha256 } from "../../helpers/fake-hub.js";

let home: string;
let modelsDir: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "punie-list-"));
  modelsDir = join(home, "models");
});
afterEach(() => rm(home, { recursive: true }));

const CONFIG = Buffer.from('{"model_type":"qwen2","quantization":{"bits":4,"group_size":64}}');
const WEIGHTS = Buffer.from("weights");
const COMMIT = "c".repeat(40);

async function downloaded(name: string): Promise<string> {
  const path = join(modelsDir, name);
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "config.json"), CONFIG);
  await writeFile(join(path, "model.safetensors"), WEIGHTS);
  await writeManifest(path, {
    version: 1,
    repo: name.replace("--", "/"),
    revision: "main",
    commit: COMMIT,
    files: [
      { path: "config.json", size: CONFIG.length, hash: { type: "git-sha1", value: gitBlobId(CONFIG) } },
      { path: "model.safetensors", size: WEIGHTS.length, hash: { type: "sha256", value: sha256(WEIGHTS) } },
    ],
  });
  return path;
}

function list() {
  return listModels({ modelsDir, env: { HOME: home } });
}

test("lists complete and partial models, those put there by hand, and nothing else", async () => {
  await downloaded("org--whole");
  await mkdir(join(modelsDir, "org--partial", ".punie", "download"), { recursive: true });
  await writeFile(join(modelsDir, "org--partial", ".punie", "download", "x.part"), Buffer.alloc(5000));
  await mkdir(join(modelsDir, "org--hand"));
  await writeFile(join(modelsDir, "org--hand", "config.json"), "{}");
  await writeFile(join(modelsDir, "org--hand", "model.safetensors"), WEIGHTS);
  await mkdir(join(modelsDir, "no-model"));
  await mkdir(join(modelsDir, "org--empty"));
  await writeFile(join(modelsDir, "a-file"), "");
  const quantization = { bits: 4, groupSize: 64, mode: "affine" };
  const found = await list();
  expect(found).toMatchObject([
    { name: "org/hand", complete: true, commit: null, quantization: null },
    { name: "org/partial", complete: false, commit: null, modelType: null },
    { name: "org/whole", complete: true, commit: COMMIT, modelType: "qwen2", quantization, source: "models-dir" },
  ]);
  expect(found[1]?.bytes).toBe(5000);
});

test("a models directory that isn't there holds none, one that is a file is an error", async () => {
  expect(await list()).toEqual([]);
  await writeFile(modelsDir, "");
  await expect(list()).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
});

test("lists whole models of the Hugging Face cache too, once each", async () => {
  for (const name of ["org--whole", "org--other"]) {
    const root = join(home, ".cache/huggingface/hub", `models--${name}`);
    await mkdir(join(root, "refs"), { recursive: true });
    await mkdir(join(root, "snapshots", COMMIT), { recursive: true });
    await writeFile(join(root, "refs", "main"), COMMIT);
    await writeFile(join(root, "snapshots", COMMIT, "config.json"), CONFIG);
    await writeFile(join(root, "snapshots", COMMIT, "model.safetensors"), WEIGHTS);
  }
  await downloaded("org--whole");
  expect(await list()).toMatchObject([
    { name: "org/whole", source: "models-dir" },
    { name: "org/other", source: "hugging-face-cache", commit: COMMIT },
  ]);
});

test("verify tells files that are right, changed with the same size, and missing", async () => {
  const path = await downloaded("org--whole");
  const states = async () => (await verifyModel(path)).map((file) => file.state);
  expect(await states()).toEqual(["ok", "ok"]);
  await writeFile(join(path, "model.safetensors"), "WEIGHTS");
  await rm(join(path, "config.json"));
  expect(await states()).toEqual(["missing", "changed"]);
});

test("verify without a manifest says why there is nothing to verify against", async () => {
  await mkdir(join(modelsDir, "org--hand"), { recursive: true });
  const failing = verifyModel(join(modelsDir, "org--hand"));
  await expect(failing).rejects.toMatchObject({
    code: "MODEL_NOT_FOUND",
    message: expect.stringContaining("didn't download"),
  });
});

test("removes one model and leaves the others alone", async () => {
  await downloaded("org--whole");
  await downloaded("org--other");
  const removed = await removeModel("org/whole", { modelsDir });
  expect(removed).toMatchObject({ name: "org/whole", path: join(modelsDir, "org--whole") });
  expect(await readdir(modelsDir)).toEqual(["org--other"]);
});

test("removes a link, never what it points to", async () => {
  const real = await downloaded("org--whole");
  await symlink(real, join(modelsDir, "org--link"));
  await removeModel("org/link", { modelsDir });
  expect(await readdir(modelsDir)).toEqual(["org--whole"]);
  expect(await readFile(join(real, "model.safetensors"), "utf8")).toBe("weights");
});

test.each([
  ["org/none", "MODEL_NOT_FOUND"],
  ["/etc", "INVALID_OPTION"],
  ["../models", "INVALID_OPTION"],
  ["org/..", "INVALID_OPTION"],
])("doesn't remove %s: %s", async (name, code) => {
  await downloaded("org--whole");
  await expect(removeModel(name, { modelsDir })).rejects.toMatchObject({ code });
  expect(await readdir(modelsDir)).toEqual(["org--whole"]);
});
