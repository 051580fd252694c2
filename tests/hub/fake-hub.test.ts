/** The fake Hub is one: what real clients make of it. What punie makes of it is all the other tests here. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadFile, HubApiError, listFiles, modelInfo, snapshotDownload } from "@huggingface/hub";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { downloadModel } from "../../src/hub/download-model.js";
import { commitId, sha256, TOKEN } from "../helpers/fake-hub.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";
import { NEEDED_FILES } from "../helpers/fake-model.js";
import { askPythonHub, installPythonHub } from "../helpers/python-hub.js";

const setup = setUpHub();

beforeEach(() => {
  setup.hub.repositories["org/gated"] = { files: setup.files, gated: true };
  setup.hub.repositories["org/private"] = { files: setup.files, private: true };
  setup.hub.repositories["org/disabled"] = { files: setup.files, disabled: true };
  setup.hub.repositories["org/old-name"] = { files: {}, renamedTo: NAME };
});

async function expectAllFiles(directory: string): Promise<void> {
  for (const [path, content] of Object.entries(setup.files)) {
    expect((await readFile(join(directory, path))).equals(content), path).toBe(true);
  }
}

describe("@huggingface/hub", () => {
  const at = (name: string) => ({ repo: name, hubUrl: setup.hub.endpoint });

  test("lists the files, page by page", async () => {
    const info = await modelInfo({ name: NAME, hubUrl: setup.hub.endpoint, additionalFields: ["sha"] });
    expect(info).toMatchObject({ name: NAME, sha: commitId({ files: setup.files }) });
    const found: Record<string, object> = {};
    for await (const entry of listFiles({ ...at(NAME), recursive: true })) {
      if (entry.type === "file") found[entry.path] = entry;
    }
    expect(Object.keys(found)).toEqual(Object.keys(setup.files));
    const weights = setup.files["model.safetensors"] as Buffer;
    expect(found["model.safetensors"]).toMatchObject({ size: weights.length, lfs: { oid: sha256(weights) } });
  });

  test("downloads each file, and a snapshot", async () => {
    for (const [path, content] of Object.entries(setup.files)) {
      const blob = await downloadFile({ ...at(NAME), path });
      expect(Buffer.from(await (blob as Blob).arrayBuffer()).equals(content), path).toBe(true);
    }
    const debug = vi.spyOn(console, "debug").mockImplementation(() => {});
    await expectAllFiles(await snapshotDownload({ ...at(NAME), cacheDir: join(setup.home, "cache") }));
    debug.mockRestore();
  });

  test.each([
    ["org/none", undefined, 401],
    ["org/none", TOKEN, 404],
    ["org/private", undefined, 401],
    ["org/gated", TOKEN, 403],
    ["org/disabled", TOKEN, 403],
    [NAME, "hf_wrong", 401],
  ])("is refused %s with the token %s: %i", async (name, accessToken, statusCode) => {
    const failing = downloadFile({ ...at(name), path: "config.json", ...(accessToken && { accessToken }) });
    await expect(failing).rejects.toBeInstanceOf(HubApiError);
    await expect(failing).rejects.toMatchObject({ statusCode });
  });
});

describe("Python's huggingface_hub", () => {
  beforeAll(installPythonHub);

  test("downloads a snapshot, which punie then takes from the cache", async () => {
    const question = `snapshot:${NAME}`;
    const answers = await askPythonHub(setup.hub.endpoint, setup.home, question, "snapshot:org/old-name");
    await expectAllFiles(answers[question] as string);
    await expectAllFiles(answers["snapshot:org/old-name"] as string);
    setup.hub.requests.length = 0;
    const { fetchedBytes } = await downloadModel(NAME, setup.options());
    expect(fetchedBytes).toBe(0);
    await setup.expectWhole();
  });

  test("knows the sizes before it fetches anything", async () => {
    const bytes = Object.values(setup.files).reduce((sum, { length }) => sum + length, 0);
    const question = `dry-run:${NAME}`;
    expect(await askPythonHub(setup.hub.endpoint, setup.home, question)).toEqual({ [question]: String(bytes) });
  });

  test("tells apart what is refused", async () => {
    const questions = {
      "file:org/none/config.json": "RepositoryNotFoundError",
      "file:org/gated/config.json": "GatedRepoError",
      "file:org/disabled/config.json": "DisabledRepoError",
      [`file:${NAME}/none.json`]: "RemoteEntryNotFoundError",
      [`snapshot:${NAME}@none`]: "RevisionNotFoundError",
    };
    const asked = Object.keys(questions);
    expect(await askPythonHub(setup.hub.endpoint, setup.home, "--token", TOKEN, ...asked)).toEqual(questions);
    expect(await askPythonHub(setup.hub.endpoint, setup.home, "file:org/private/config.json")).toEqual({
      "file:org/private/config.json": "RepositoryNotFoundError",
    });
  });
});

test("punie and the others fetch the same files", async () => {
  await downloadModel(NAME, setup.options({ include: ["*"] }));
  await expectAllFiles(setup.directory);
  expect(NEEDED_FILES.every((path) => path in setup.files)).toBe(true);
});
