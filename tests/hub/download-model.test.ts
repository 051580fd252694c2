import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { downloadModel, planDownload } from "../../src/hub/download-model.js";
import { isModelThere } from "../../src/models/completeness.js";
import { readManifest } from "../../src/models/manifest.js";
import { commitId, sha256 } from "../helpers/fake-hub.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";
import { modelFiles, NEEDED_FILES, noise } from "../helpers/fake-model.js";

const setup = setUpHub();

/** Files whose bytes were asked for, once each. */
function fetched(): string[] {
  return [...new Set(setup.hub.requests.flatMap(({ file }) => file ?? []))].sort();
}

test("fetches what a model needs, byte for byte, and writes the manifest last", async () => {
  const result = await downloadModel(NAME, setup.options());
  const bytes = NEEDED_FILES.reduce((sum, path) => sum + (setup.files[path] as Buffer).length, 0);
  const commit = commitId({ files: setup.files });
  expect(result).toMatchObject({ path: setup.directory, commit, bytes, fetchedBytes: bytes });
  expect(result.files.map((file) => file.path).sort()).toEqual([...NEEDED_FILES].sort());
  expect((await readdir(setup.directory)).sort()).toEqual([".punie", ...NEEDED_FILES].sort());
  await setup.expectWhole();
  const manifest = await readManifest(setup.directory);
  expect(manifest).toMatchObject({ repo: NAME, revision: "main", commit });
  const weights = setup.files["model.safetensors"] as Buffer;
  expect(manifest?.files).toContainEqual({
    path: "model.safetensors",
    size: weights.length,
    hash: { type: "sha256", value: sha256(weights) },
  });
  expect(await isModelThere(setup.directory)).toBe(true);
});

describe("a model_type that can't run", () => {
  beforeEach(() => {
    setup.files = { ...setup.files, "config.json": Buffer.from('{"model_type":"mamba"}') };
    setup.hub.repositories[NAME] = { files: setup.files };
  });

  test.each([
    ["download", downloadModel],
    ["plan", planDownload],
  ])("is refused before its weights (%s)", async (_, get) => {
    await expect(get(NAME, setup.options())).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining('model_type "mamba"'),
    });
    expect(fetched()).toEqual(["config.json"]);
    await expect(stat(setup.directory)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test.each([{ force: true }, { include: ["*.json"] }])("is fetched when told so: %o", async (options) => {
    await downloadModel(NAME, setup.options(options));
    expect(await readFile(join(setup.directory, "config.json"), "utf8")).toContain("mamba");
  });
});

test("tells the plan, each file, and nothing of files that aren't needed", async () => {
  await downloadModel(NAME, setup.options());
  expect(setup.events[0]).toMatchObject({ type: "plan", repository: NAME, haveBytes: 0 });
  const done = setup.events.flatMap((event) => (event.type === "file" ? event.file : []));
  expect(done.sort()).toEqual([...NEEDED_FILES].sort());
  expect(fetched()).toEqual([...NEEDED_FILES].sort());
});

test("asks the Hub once when the model is there and up to date", async () => {
  await downloadModel(NAME, setup.options());
  setup.hub.requests.length = 0;
  setup.events.length = 0;
  const result = await downloadModel(NAME, setup.options());
  expect(setup.hub.requests).toHaveLength(1);
  expect(setup.events.map((event) => event.type)).toEqual(["up-to-date"]);
  expect(result.fetchedBytes).toBe(0);
});

test("fetches two files of the same content once, and an empty one not at all", async () => {
  const repository = {
    files: { ...setup.files, NOTICE: Buffer.alloc(0), "vocab.json": setup.files["tokenizer.json"] as Buffer },
  };
  setup.hub.repositories[NAME] = repository;
  await downloadModel(NAME, setup.options());
  expect(fetched().filter((file) => file === "tokenizer.json" || file === "vocab.json")).toHaveLength(1);
  expect(await readFile(join(setup.directory, "vocab.json"), "utf8")).toBe('{"version":"1.0"}');
  expect((await stat(join(setup.directory, "NOTICE"))).size).toBe(0);
});

test("fetches a file of several segments over several connections", async () => {
  setup.files = modelFiles(70_000_000);
  setup.hub.repositories[NAME] = { files: setup.files };
  await downloadModel(NAME, setup.options());
  await setup.expectWhole();
  const ranges = setup.hub.requests.filter(({ host }) => host === "cdn").map(({ range }) => range);
  expect(ranges.length).toBe(3);
  // config.json a second time: the first was the look at its model_type.
  const sizes = [...NEEDED_FILES, "config.json"].map((path) => (setup.files[path] as Buffer).length);
  expect(setup.hub.sentBytes).toBe(sizes.reduce((sum, size) => sum + size));
});

test("leaves a model alone when the Hub has a newer commit, and says so", async () => {
  await downloadModel(NAME, setup.options());
  setup.files = { ...setup.files, "config.json": Buffer.from('{"model_type":"llama"}') };
  setup.hub.repositories[NAME] = { files: setup.files };
  setup.events.length = 0;
  await downloadModel(NAME, setup.options());
  expect(setup.events).toMatchObject([{ type: "update-available", latest: commitId({ files: setup.files }) }]);
  expect(await readFile(join(setup.directory, "config.json"), "utf8")).toContain("qwen2");
});

test("updates by fetching only what differs, and replaces by rename", async () => {
  await downloadModel(NAME, setup.options());
  const weights = await stat(join(setup.directory, "model.safetensors"));
  const config = await stat(join(setup.directory, "config.json"));
  const { "README.md": _removed, ...rest } = setup.files;
  setup.hub.repositories[NAME] = { files: { ...rest, "config.json": Buffer.from('{"model_type":"llama"}') } };
  setup.hub.requests.length = 0;
  await downloadModel(NAME, setup.options({ update: true }));
  expect(fetched()).toEqual(["config.json"]);
  expect(await readFile(join(setup.directory, "config.json"), "utf8")).toContain("llama");
  expect((await stat(join(setup.directory, "model.safetensors"))).ino).toBe(weights.ino);
  expect((await stat(join(setup.directory, "config.json"))).ino).not.toBe(config.ino);
  expect(await readdir(setup.directory)).not.toContain("README.md");
});

test("force fetches everything anew", async () => {
  await downloadModel(NAME, setup.options());
  setup.hub.requests.length = 0;
  const result = await downloadModel(NAME, setup.options({ force: true }));
  expect(fetched()).toEqual([...NEEDED_FILES].sort());
  expect(result.fetchedBytes).toBe(result.bytes);
  await setup.expectWhole();
});

test("brings back a file that is gone or was cut, and only that", async () => {
  await downloadModel(NAME, setup.options());
  await writeFile(join(setup.directory, "model.safetensors"), "cut");
  expect(await isModelThere(setup.directory)).toBe(false);
  setup.hub.requests.length = 0;
  await downloadModel(NAME, setup.options());
  expect(fetched()).toEqual(["model.safetensors"]);
  await setup.expectWhole();
});

test("removes what is obsolete also when an update was cut off while files were moved to their places", async () => {
  await downloadModel(NAME, setup.options());
  await writeFile(join(setup.directory, ".punie", "installing"), "");
  const { "README.md": _removed, ...rest } = setup.files;
  setup.hub.repositories[NAME] = { files: rest };
  await downloadModel(NAME, setup.options({ update: true }));
  expect(await readdir(setup.directory)).not.toContain("README.md");
});

test("a manifest that names files outside of the model's directory is none: nothing there is removed", async () => {
  await downloadModel(NAME, setup.options());
  const file = join(setup.directory, ".punie", "manifest.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as { files: object[] };
  const precious = join(setup.home, "precious");
  await writeFile(precious, "");
  const path = relative(setup.directory, precious);
  const hash = { type: "git-sha1", value: "0".repeat(40) };
  await writeFile(
    file,
    JSON.stringify({ ...manifest, commit: "x", files: [...manifest.files, { path, size: 0, hash }] }),
  );
  expect(await isModelThere(setup.directory)).toBe(false);
  await downloadModel(NAME, setup.options({ update: true }));
  expect(await stat(precious)).toMatchObject({ size: 0 });
  await setup.expectWhole();
});

test("what is obsolete is not removed through a link, which may lead out of the model's directory", async () => {
  await downloadModel(NAME, setup.options());
  const outside = join(setup.home, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "precious"), "");
  await symlink(outside, join(setup.directory, "sub"));
  const file = join(setup.directory, ".punie", "manifest.json");
  const manifest = JSON.parse(await readFile(file, "utf8")) as { files: object[] };
  const listed = { path: "sub/precious", size: 0, hash: { type: "git-sha1", value: "0".repeat(40) } };
  await writeFile(file, JSON.stringify({ ...manifest, commit: "x", files: [...manifest.files, listed] }));
  const updating = downloadModel(NAME, setup.options({ update: true }));
  await expect(updating).rejects.toMatchObject({ code: "HUB_CORRUPT", message: expect.stringContaining("is a link") });
  expect(await readdir(outside)).toEqual(["precious"]);
});

test("completes what was cut off while files were moved to their places", async () => {
  await downloadModel(NAME, setup.options());
  await writeFile(join(setup.directory, ".punie", "installing"), "");
  await rm(join(setup.directory, "tokenizer.json"));
  expect(await isModelThere(setup.directory)).toBe(false);
  setup.hub.requests.length = 0;
  await downloadModel(NAME, setup.options());
  expect(fetched()).toEqual(["tokenizer.json"]);
  await setup.expectWhole();
});

test.each([
  [{ include: ["*.gguf"] }, ["model.gguf"]],
  [{ include: ["onnx/*", "config.json"] }, ["config.json", "onnx/model.onnx"]],
  [{ exclude: ["*.md", "tokenizer*"] }, ["config.json", "model.safetensors"]],
  [{ include: ["*.json"], exclude: ["token*"] }, ["config.json"]],
])("selects by %j", async (selection, expected) => {
  const result = await downloadModel(NAME, setup.options(selection));
  expect(result.files.map((file) => file.path).sort()).toEqual(expected);
});

test("a later call with another selection adds to what is there", async () => {
  await downloadModel(NAME, setup.options());
  setup.hub.requests.length = 0;
  const result = await downloadModel(NAME, setup.options({ include: ["*.gguf"] }));
  expect(fetched()).toEqual(["model.gguf"]);
  expect(result.files.map((file) => file.path).sort()).toEqual([...NEEDED_FILES, "model.gguf"].sort());
});

test("fetches a revision by its name", async () => {
  const old = { files: { ...setup.files, "config.json": Buffer.from('{"model_type":"llama"}') } };
  setup.hub.repositories[NAME] = { files: setup.files, revisions: { "v1.0": old } };
  const result = await downloadModel(NAME, setup.options({ revision: "v1.0" }));
  expect(result.commit).toBe(commitId(old));
  expect(await readFile(join(setup.directory, "config.json"), "utf8")).toContain("llama");
});

test("takes files from the Hugging Face cache when their hash is right", async () => {
  const weights = setup.files["model.safetensors"] as Buffer;
  const blobs = join(setup.home, ".cache/huggingface/hub/models--org--model/blobs");
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, sha256(weights)), weights);
  const { totalBytes, fetchBytes } = await planDownload(NAME, setup.options());
  expect(totalBytes - fetchBytes).toBe(weights.length);
  setup.hub.requests.length = 0;
  await downloadModel(NAME, setup.options());
  expect(fetched()).not.toContain("model.safetensors");
  await setup.expectWhole();
  expect((await readFile(join(blobs, sha256(weights)))).equals(weights)).toBe(true);
});

test("a file of the Hugging Face cache with the wrong bytes is fetched", async () => {
  const weights = setup.files["model.safetensors"] as Buffer;
  const blobs = join(setup.home, ".cache/huggingface/hub/models--org--model/blobs");
  await mkdir(blobs, { recursive: true });
  await writeFile(join(blobs, sha256(weights)), noise("other", weights.length));
  await downloadModel(NAME, setup.options());
  await setup.expectWhole();
});

test("doesn't replace a model that was put there by hand, unless forced", async () => {
  await mkdir(setup.directory, { recursive: true });
  await writeFile(join(setup.directory, "config.json"), "{}");
  await writeFile(join(setup.directory, "model.safetensors"), "mine");
  await expect(downloadModel(NAME, setup.options())).rejects.toMatchObject({ code: "INVALID_OPTION" });
  expect(await readFile(join(setup.directory, "model.safetensors"), "utf8")).toBe("mine");
  await downloadModel(NAME, setup.options({ force: true }));
  await setup.expectWhole();
});

test("keeps a model that was put there by hand when it is the right one", async () => {
  await mkdir(setup.directory, { recursive: true });
  for (const path of NEEDED_FILES) await writeFile(join(setup.directory, path), setup.files[path] as Buffer);
  const result = await downloadModel(NAME, setup.options());
  expect(result.fetchedBytes).toBe(0);
  await setup.expectWhole();
});

test("a plan lists files, sizes and the room, and writes nothing", async () => {
  const plan = await planDownload(NAME, setup.options());
  expect(plan).toMatchObject({ repository: NAME, path: setup.directory, fetchBytes: plan.totalBytes });
  expect(plan.files.map((file) => file.path).sort()).toEqual([...NEEDED_FILES].sort());
  expect(plan.freeBytes).toBeGreaterThan(0);
  await expect(stat(setup.modelsDir)).rejects.toMatchObject({ code: "ENOENT" });
});

test("offline: a whole model is answered without a request, another gives an error without one", async () => {
  const env = { HF_HUB_OFFLINE: "1" };
  await expect(downloadModel(NAME, setup.options({}, env))).rejects.toMatchObject({ code: "HUB_UNREACHABLE" });
  await downloadModel(NAME, setup.options());
  setup.hub.requests.length = 0;
  const result = await downloadModel(NAME, setup.options({}, env));
  expect(result).toMatchObject({ path: setup.directory, fetchedBytes: 0 });
  expect(setup.hub.requests).toHaveLength(0);
  expect(setup.events.at(-1)).toMatchObject({ type: "not-checked", reason: "HF_HUB_OFFLINE is set" });
});

test("without a route a whole model is answered at once, another gives HUB_UNREACHABLE", async () => {
  await downloadModel(NAME, setup.options());
  const env = { HF_ENDPOINT: "http://127.0.0.1:9" };
  const result = await downloadModel(NAME, setup.options({}, env));
  expect(result.fetchedBytes).toBe(0);
  expect(setup.events.at(-1)).toMatchObject({ type: "not-checked" });
  await expect(downloadModel("org/other", setup.options({}, env))).rejects.toMatchObject({ code: "HUB_UNREACHABLE" });
});

test("goes through an injected fetch", async () => {
  const urls: string[] = [];
  const spy: typeof fetch = (input, init) => {
    urls.push(String(input));
    return fetch(input, init);
  };
  await downloadModel(NAME, setup.options({ fetch: spy }));
  expect(urls.length).toBe(setup.hub.requests.length);
  await setup.expectWhole();
});

test("says what a repository without safetensors weights has", async () => {
  setup.hub.repositories[NAME] = { files: { "model.gguf": noise("gguf", 10), "config.json": Buffer.from("{}") } };
  const failing = downloadModel(NAME, setup.options());
  await expect(failing).rejects.toMatchObject({
    code: "MODEL_UNSUPPORTED",
    message: expect.stringContaining("model.gguf"),
  });
  await expect(stat(setup.directory)).rejects.toMatchObject({ code: "ENOENT" });
});

test.each<[string, Parameters<typeof setup.options>[0]]>([
  ["./path", {}],
  ["noslash", {}],
  ["org/model", { revision: "../main" }],
  ["org/model", { revision: "" }],
  ["org/model", { maxRate: 0 }],
  ["org/model", { connections: 17 }],
  ["org/model", { include: [""] }],
  ["org/model", { modelsDir: "" }],
  ["org/model", { token: "two words" }],
  ["org/model", { include: ["nothing-like-this"] }],
])("refuses %s with %j", async (name, more) => {
  await expect(downloadModel(name, setup.options(more))).rejects.toMatchObject({ code: "INVALID_OPTION" });
});
