import { mkdir, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { downloadModel } from "../../src/hub/download-model.js";
import type { Fault } from "../helpers/fake-hub.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";

const setup = setUpHub();

function entry(path: string): object {
  return { type: "file", path, size: 2, oid: "a".repeat(40) };
}

test.each([
  "../outside.json",
  "a/../../outside.json",
  "/etc/outside.json",
  "./config2.json",
  "a//b.json",
  "nul\0.json",
  "line\nbreak.json",
  "escape\u001b[2J.json",
  "back\\slash.json",
  "C:drive.json",
  "con.json",
  "COM1.json",
  "Config.json",
  "dot./x.json",
  "config.json/below.json",
  ".punie/manifest.json",
  ".PUNIE/manifest.json",
  "\ud800.json",
  "right-to-left\u202e.json",
])("a file named %j gives HUB_CORRUPT, and nothing is written", refuses);

test("a file with a name too long for a disk gives HUB_CORRUPT, and nothing is written", async () => {
  await refuses(`${"long".repeat(70)}.json`);
  await refuses(`${"deep/".repeat(300)}x.json`);
});

async function refuses(path: string): Promise<void> {
  setup.hub.repositories[NAME] = { files: setup.files, extraEntries: [entry(path)] };
  const failing = downloadModel(NAME, setup.options({ include: ["*"] }));
  await expect(failing).rejects.toMatchObject({ code: "HUB_CORRUPT" });
  expect(await readdir(setup.home)).toEqual([]);
}

test.each<[string, object]>([
  ["a negative size", { type: "file", path: "a.json", size: -1, oid: "a".repeat(40) }],
  ["a size that is text", { type: "file", path: "a.json", size: "2", oid: "a".repeat(40) }],
  ["a hash that is a path", { type: "file", path: "a.json", size: 2, oid: "../../../../outside" }],
  ["no hash", { type: "file", path: "a.json", size: 2 }],
  ["a path that is a number", { type: "file", path: 5, size: 2, oid: "a".repeat(40) }],
])("an entry with %s gives HUB_CORRUPT", async (_name, extra) => {
  setup.hub.repositories[NAME] = { files: setup.files, extraEntries: [extra] };
  await expect(downloadModel(NAME, setup.options())).rejects.toMatchObject({ code: "HUB_CORRUPT" });
});

function answerApi(fault: Fault, part = "/api/"): void {
  setup.hub.fault = ({ url }) => (url.includes(part) ? fault : undefined);
}

test.each<[string, Fault, string]>([
  ["a page of HTML", { headers: { "Content-Type": "text/html" }, body: "<html>" }, "/api/"],
  ["what isn't JSON", { body: "{" }, "/api/"],
  ["JSON of another shape", { body: "[]" }, "/api/"],
  ["a commit that is a path", { body: '{"id":"org/model","sha":"../../x"}' }, "/revision/"],
  ["a listing that isn't a list", { body: '{"a":1}' }, "/tree/"],
  ["an endless body", { body: Buffer.alloc(17 * 1024 * 1024, " ") }, "/api/"],
  ["an unexpected status", { status: 418 }, "/api/"],
  ["redirects in a circle", { status: 302, headers: { Location: "/api/again" } }, "/api/"],
])("%s instead of the Hub's answer gives HUB_CORRUPT", async (_name, fault, part) => {
  answerApi(fault, part);
  await expect(downloadModel(NAME, setup.options())).rejects.toMatchObject({ code: "HUB_CORRUPT" });
});

test("a listing that goes on at another host gives HUB_CORRUPT, and that host is not asked", async () => {
  const next = `<${setup.hub.cdn}/api/models/org/model/tree/main?cursor=1>; rel="next"`;
  answerApi({ body: "[]", headers: { "Content-Type": "application/json", Link: next } }, "/tree/");
  await expect(downloadModel(NAME, setup.options())).rejects.toMatchObject({ code: "HUB_CORRUPT" });
  expect(setup.hub.requests.filter(({ host }) => host === "cdn")).toEqual([]);
});

test("a listing with pages for ever gives HUB_CORRUPT", async () => {
  const next = `<${setup.hub.endpoint}/api/models/org/model/tree/main?cursor=1>; rel="next"`;
  answerApi({ body: "[]", headers: { "Content-Type": "application/json", Link: next } }, "/tree/");
  await expect(downloadModel(NAME, setup.options())).rejects.toMatchObject({ code: "HUB_CORRUPT" });
  expect(setup.hub.requests.length).toBeLessThan(200);
});

test("nothing is written through a link inside the model's directory", async () => {
  const outside = join(setup.home, "outside");
  await mkdir(outside);
  await mkdir(setup.directory, { recursive: true });
  await symlink(outside, join(setup.directory, "onnx"));
  const failing = downloadModel(NAME, setup.options({ include: ["onnx/*"] }));
  await expect(failing).rejects.toMatchObject({ code: "HUB_CORRUPT", message: expect.stringContaining("link") });
  expect(await readdir(outside)).toEqual([]);
});
