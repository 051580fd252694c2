import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { copyCompanions } from "../../../src/convert/companion-files.js";
import { readPooling } from "../../../src/models/embedding-model.js";

let from: string;
let to: string;
beforeEach(async () => {
  from = await mkdtemp(join(tmpdir(), "punie-companions-"));
  to = join(from, "converted");
  await mkdir(to);
});
afterEach(() => rm(from, { recursive: true }));

test("copies the tokenizer, the template and the defaults, and nothing that is written anew", async () => {
  const copied = ["chat_template.jinja", "generation_config.json", "merges.txt", "modules.json", "tokenizer.json"];
  const others = ["README.md", "config.json", "model.safetensors", "model.safetensors.index.json"];
  for (const name of [...copied, ...others]) await writeFile(join(from, name), name);
  await copyCompanions(from, to);
  expect((await readdir(to)).sort()).toEqual(copied);
});

test("what an embedding model pools by is the converted one's too", async () => {
  await mkdir(join(from, "1_Pooling"));
  await writeFile(join(from, "1_Pooling", "config.json"), '{"pooling_mode_mean_tokens": true}');
  await copyCompanions(from, to);
  expect(await readPooling(to)).toBe("mean");
});

test("copies what a link leads to, and fails where it leads nowhere", async () => {
  await writeFile(join(from, "blob"), "{}");
  await symlink("blob", join(from, "tokenizer.json"));
  await copyCompanions(from, to);
  expect((await lstat(join(to, "tokenizer.json"))).isFile()).toBe(true);
  expect(await readFile(join(to, "tokenizer.json"), "utf8")).toBe("{}");
  await symlink("absent", join(from, "merges.txt"));
  await expect(copyCompanions(from, to)).rejects.toMatchObject({ code: "ENOENT" });
});
