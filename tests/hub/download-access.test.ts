import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { downloadModel } from "../../src/hub/download-model.js";
import { TOKEN } from "../helpers/fake-hub.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";

const setup = setUpHub();

test("the token goes to the Hub's host only, never along a redirect", async () => {
  await downloadModel(NAME, setup.options({ token: TOKEN }));
  const sent = (host: string) =>
    setup.hub.requests.filter((seen) => seen.host === host).map((seen) => seen.authorization);
  expect(new Set(sent("hub"))).toEqual(new Set([`Bearer ${TOKEN}`]));
  expect(new Set(sent("cdn"))).toEqual(new Set([undefined]));
});

test("finds the token in HF_TOKEN, or in the file of 'hf auth login'", async () => {
  setup.hub.repositories[NAME] = { files: setup.files, private: true };
  await downloadModel(NAME, setup.options({}, { HF_TOKEN: TOKEN }));
  await mkdir(join(setup.home, "hf"), { recursive: true });
  await writeFile(join(setup.home, "hf", "token"), `${TOKEN}\n`);
  setup.hub.requests.length = 0;
  await downloadModel(NAME, setup.options({ force: true }, { HF_HOME: join(setup.home, "hf") }));
  expect(setup.hub.requests[0]?.authorization).toBe(`Bearer ${TOKEN}`);
});

const GATED = { gated: true };

test.each<[string, object, string | undefined, string, string]>([
  ["a gated model without a token", GATED, undefined, "HUB_DENIED", "set HF_TOKEN"],
  ["a gated model whose conditions weren't accepted", GATED, TOKEN, "HUB_DENIED", "accept its conditions at"],
  ["a private model without a token", { private: true }, undefined, "HUB_NOT_FOUND", "if it is private"],
  ["a disabled model", { disabled: true }, TOKEN, "HUB_DENIED", "disabled"],
  ["a token that isn't accepted", {}, "hf_wrong", "HUB_DENIED", "doesn't accept the access token"],
])("tells of %s", async (_name, more, token, code, text) => {
  setup.hub.repositories[NAME] = { files: setup.files, ...more };
  const failing = downloadModel(NAME, setup.options(token === undefined ? {} : { token }));
  await expect(failing).rejects.toMatchObject({ code, message: expect.stringContaining(text) });
  await expect(failing).rejects.not.toMatchObject({ message: expect.stringContaining("hf_") });
});

test.each([
  ["org/mistyped", {}, "org/mistyped"],
  [NAME, { revision: "no-such-branch" }, "no-such-branch"],
])("tells that %s %j is not found, and leaves no directory", async (name, more, text) => {
  for (const token of [TOKEN, undefined]) {
    const failing = downloadModel(name, setup.options({ ...more, token }));
    await expect(failing).rejects.toMatchObject({ code: "HUB_NOT_FOUND", message: expect.stringContaining(text) });
  }
  await expect(stat(setup.modelsDir)).rejects.toMatchObject({ code: "ENOENT" });
});

test("follows a renamed repository, and says its new name", async () => {
  setup.hub.repositories["org/new-name"] = { files: setup.files };
  setup.hub.repositories[NAME] = { files: {}, renamedTo: "org/new-name" };
  await downloadModel(NAME, setup.options());
  expect(setup.events[0]).toEqual({ type: "renamed", repository: NAME, to: "org/new-name" });
  await setup.expectWhole();
});

test.each(["not a url", "ftp://example.org", "http://user:secret@127.0.0.1"])(
  "refuses HF_ENDPOINT %s",
  async (text) => {
    const failing = downloadModel(NAME, setup.options({}, { HF_ENDPOINT: text }));
    await expect(failing).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("HF_ENDPOINT"),
    });
  },
);
