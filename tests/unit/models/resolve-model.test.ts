import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ModelNotDownloadedError } from "../../../src/errors.js";
import { DEFAULT_MODEL } from "../../../src/models/catalog.js";
import { writeManifest } from "../../../src/models/manifest.js";
import { resolveModel } from "../../../src/models/resolve-model.js";

let home: string;
let env: Record<string, string>;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "punie-resolve-"));
  env = { HOME: home };
});
afterEach(() => rm(home, { recursive: true }));

/** A directory that counts as a model: what lies in the files doesn't matter here. */
async function place(path: string, files = ["config.json", "model.safetensors"]): Promise<string> {
  await mkdir(path, { recursive: true });
  for (const file of files) await writeFile(join(path, file), "{}");
  return path;
}

const HASH = { type: "git-sha1" as const, value: "a".repeat(40) };
const COMMIT = "c".repeat(40);

async function placeDownloaded(path: string, listed: { path: string; size: number }[]): Promise<void> {
  const files = listed.map((file) => ({ ...file, hash: HASH }));
  await writeManifest(path, { version: 1, repo: "org/model", revision: "main", commit: COMMIT, files });
}

test("takes a name from the models directory: the option, else PUNIE_MODELS_DIR, else ~/.cache/punie/models", async () => {
  const places = {
    own: await place(join(home, ".cache/punie/models/org--model")),
    env: await place(join(home, "env/org--model")),
    option: await place(join(home, "option/org--model")),
  };
  const found = async (options: object) => (await resolveModel("org/model", options)).path;
  expect(await found({ env })).toBe(places.own);
  expect(await found({ env: { ...env, PUNIE_MODELS_DIR: join(home, "env") } })).toBe(places.env);
  expect(await found({ env: { ...env, PUNIE_MODELS_DIR: "" } })).toBe(places.own);
  const both = { env: { ...env, PUNIE_MODELS_DIR: join(home, "env") }, modelsDir: join(home, "option") };
  expect(await found(both)).toBe(places.option);
  expect(await found({ env, modelsDir: "~/option" })).toBe(places.option);
});

test("a name is the argument, else PUNIE_MODEL, else the default model", async () => {
  await place(join(home, ".cache/punie/models/org--model"));
  const set = { ...env, PUNIE_MODEL: "org/model" };
  expect(await resolveModel(undefined, { env: set })).toMatchObject({ name: "org/model", source: "models-dir" });
  expect(await resolveModel("local:org/model", { env })).toMatchObject({ name: "org/model" });
  await expect(resolveModel(undefined, { env })).rejects.toMatchObject({ model: DEFAULT_MODEL });
  await expect(resolveModel("local", { env: set })).rejects.toMatchObject({ model: DEFAULT_MODEL });
});

test("takes the file: URL of a path, as import.meta.url gives it", async () => {
  const path = await place(join(home, "a model"));
  const url = pathToFileURL(path).href;
  expect(await resolveModel(url, { env })).toEqual({ path, name: path, source: "path" });
  await expect(resolveModel("file://host/x", { env })).rejects.toMatchObject({ code: "INVALID_OPTION" });
});

test("takes a whole snapshot of main from the Hugging Face cache", async () => {
  const root = join(home, ".cache/huggingface/hub/models--org--model");
  const blob = join(root, "blobs", "b1");
  await place(join(root, "blobs"), ["b1"]);
  await mkdir(join(root, "snapshots", COMMIT), { recursive: true });
  await mkdir(join(root, "refs"));
  await writeFile(join(root, "refs", "main"), COMMIT);
  await symlink(blob, join(root, "snapshots", COMMIT, "config.json"));
  await expect(resolveModel("org/model", { env })).rejects.toBeInstanceOf(ModelNotDownloadedError);
  await symlink(blob, join(root, "snapshots", COMMIT, "model.safetensors"));
  const expected = { path: join(root, "snapshots", COMMIT), name: "org/model", source: "hugging-face-cache" };
  expect(await resolveModel("org/model", { env })).toEqual(expected);
  const moved = { HOME: "/nowhere", HF_HUB_CACHE: join(home, ".cache/huggingface/hub") };
  expect(await resolveModel("org/model", { env: moved })).toEqual(expected);
  const movedHome = { HOME: "/nowhere", HF_HOME: join(home, ".cache/huggingface") };
  expect(await resolveModel("org/model", { env: movedHome })).toEqual(expected);
});

test.each(["../../../../outside", "", "not a commit", "x".repeat(1000)])(
  "ignores a cache whose main is %j",
  async (ref) => {
    const root = join(home, ".cache/huggingface/hub/models--org--model");
    await place(join(root, "refs"), []);
    await writeFile(join(root, "refs", "main"), ref);
    await place(join(home, ".cache/outside"));
    await expect(resolveModel("org/model", { env })).rejects.toBeInstanceOf(ModelNotDownloadedError);
  },
);

test("a missing model: the exact lines, code, command and places, and no socket is opened", async () => {
  const connect = vi.spyOn(Socket.prototype, "connect").mockImplementation(() => {
    throw new Error("a socket was opened");
  });
  try {
    const error = await resolveModel("org/model", { env }).catch((reason) => reason);
    expect(error).toBeInstanceOf(ModelNotDownloadedError);
    expect(error.message).toBe(
      "Model 'org/model' is not downloaded.\nDownload it with: punie download-model org/model",
    );
    expect(error).toMatchObject({
      code: "MODEL_NOT_DOWNLOADED",
      model: "org/model",
      command: "punie download-model org/model",
      searched: [join(home, ".cache/punie/models"), join(home, ".cache/huggingface/hub")],
    });
    expect(connect).not.toHaveBeenCalled();
  } finally {
    connect.mockRestore();
  }
});

test.each([
  ["./models", "--models-dir ./models"],
  ["/data/my models", "--models-dir '/data/my models'"],
  ["/data/it's", "--models-dir '/data/it'\\''s'"],
])("the hint repeats --models-dir %s when it was given", async (modelsDir, text) => {
  const failing = resolveModel("org/model", { env, modelsDir });
  await expect(failing).rejects.toMatchObject({ command: `punie download-model org/model ${text}` });
});

test("a models directory from the environment is not repeated", async () => {
  const set = { ...env, PUNIE_MODELS_DIR: join(home, "env") };
  await expect(resolveModel("org/model", { env: set })).rejects.toMatchObject({
    command: "punie download-model org/model",
    searched: [join(home, "env"), expect.any(String)],
  });
});

test.each<[string, (path: string) => Promise<unknown>]>([
  ["without weights", (path) => place(path, ["config.json"])],
  ["without config.json", (path) => place(path, ["model.safetensors"])],
  ["without a numbered shard", (path) => place(path, ["config.json", "model-00001-of-00002.safetensors"])],
  [
    "without a shard of its index",
    async (path) => {
      await place(path);
      const index = { weight_map: { a: "model.safetensors", b: "model-2.safetensors" } };
      await writeFile(join(path, "model.safetensors.index.json"), JSON.stringify(index));
    },
  ],
  ["that is being fetched", (path) => place(join(path, ".punie", "download"), ["x.part"])],
  [
    "in which files were being moved to their places",
    async (path) => {
      await place(path);
      await place(join(path, ".punie"), ["installing"]);
    },
  ],
  [
    "whose manifest lists a file that is missing",
    async (path) => {
      await place(path);
      await placeDownloaded(path, [{ path: "tokenizer.json", size: 2 }]);
    },
  ],
  [
    "whose manifest lists another size",
    async (path) => {
      await place(path);
      await placeDownloaded(path, [{ path: "config.json", size: 3 }]);
    },
  ],
  [
    "whose manifest can't be read",
    async (path) => {
      await place(path);
      await place(join(path, ".punie"), ["manifest.json"]);
    },
  ],
])("a directory %s doesn't count", async (_name, make) => {
  await make(join(home, ".cache/punie/models/org--model"));
  await expect(resolveModel("org/model", { env })).rejects.toBeInstanceOf(ModelNotDownloadedError);
});

test("a directory with all that its manifest lists counts, whatever it is", async () => {
  const path = await place(join(home, ".cache/punie/models/org--model"), ["config.json"]);
  await placeDownloaded(path, [{ path: "config.json", size: 2 }]);
  expect(await resolveModel("org/model", { env })).toMatchObject({ path });
});

test("takes paths as they stand", async () => {
  const path = await place(join(home, "mine"));
  for (const name of [path, `local:${path}`, "~/mine"]) {
    expect(await resolveModel(name, { env })).toEqual({ path, name: name.replace("local:", ""), source: "path" });
  }
});

test("a path that isn't there is MODEL_NOT_FOUND, without a download hint", async () => {
  for (const path of ["./no-such", "/no/such", "local:/no/such", "./no-such.gguf"]) {
    const failing = resolveModel(path, { env });
    await expect(failing).rejects.toMatchObject({ code: "MODEL_NOT_FOUND" });
    await expect(failing).rejects.not.toMatchObject({ message: expect.stringContaining("download") });
  }
});

test("a .gguf file is found by its path", async () => {
  await place(home, ["model.gguf"]);
  const path = join(home, "model.gguf");
  expect(await resolveModel("~/model.gguf", { env })).toEqual({ path, name: "~/model.gguf", source: "gguf" });
});

test("any other file is MODEL_UNSUPPORTED, and it is said what is supported", async () => {
  await place(home, ["weights.bin"]);
  await expect(resolveModel(join(home, "weights.bin"), { env })).rejects.toMatchObject({
    code: "MODEL_UNSUPPORTED",
    message: expect.stringMatching(/\.gguf .* model directory/),
  });
});

test("the path of a half-finished download says how to go on", async () => {
  const models = join(home, "models");
  await place(join(models, "org--model", ".punie"), []);
  await expect(resolveModel(join(models, "org--model"), { env })).rejects.toMatchObject({
    code: "MODEL_CORRUPT",
    message: expect.stringContaining(`punie download-model org/model --models-dir ${models}`),
  });
});

test.each([
  "model",
  "",
  "local:",
  "org/",
  "model/",
  "org/model/extra",
  "org/mo del",
  "org/..",
  "org/a..b",
  "org/a--b",
  "org/-a",
  "org/a.",
  "org\\model",
  "org/model\n",
  "https://huggingface.co/org/model",
  `org/${"x".repeat(97)}`,
])("%j is not a model name", async (name) => {
  await expect(resolveModel(name, { env })).rejects.toMatchObject({ code: "INVALID_OPTION" });
});

test("an empty models directory is INVALID_OPTION", async () => {
  await expect(resolveModel("org/model", { env, modelsDir: "" })).rejects.toMatchObject({ code: "INVALID_OPTION" });
});

test.each([
  ["model", "./model"],
  [".demo/model", "./.demo/model"],
  ["my models/one", "./my models/one"],
  ["a/b/c", "./a/b/c"],
])("%j that may be a path gets told how to write it as one", async (name, path) => {
  await expect(resolveModel(name, { env })).rejects.toThrow(`for a directory or file here, write '${path}'`);
});

test("a name that is also a directory here is a name, with a word about the directory", async () => {
  const lines = [
    "Model 'tests/fixtures' is not downloaded.",
    "Download it with: punie download-model tests/fixtures",
    "To use the tests/fixtures that is in this directory, write './tests/fixtures'.",
  ];
  await expect(resolveModel("tests/fixtures", { env })).rejects.toThrow(lines.join("\n"));
});
