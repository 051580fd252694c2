import { stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeDirectory } from "../../src/make-directory.js";
import { temporaryDirectory } from "../helpers/temporary-directory.js";

test("a directory is made with those above it, whoever else makes them, and may be there", async () => {
  const root = await temporaryDirectory("make");
  const path = join(root, "a", "b", "c");
  await Promise.all(Array.from({ length: 20 }, () => makeDirectory(path)));
  await makeDirectory(path);
  expect((await stat(path)).isDirectory()).toBe(true);
  await symlink(join(root, "a"), join(root, "link"));
  await makeDirectory(join(root, "link", "d"), 0o700);
  expect((await stat(join(root, "a", "d"))).mode & 0o777).toBe(0o700);
});

test("what stands in its way is told as what it is", async () => {
  const root = await temporaryDirectory("make");
  await writeFile(join(root, "file"), "");
  await expect(makeDirectory(join(root, "file"))).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeDirectory(join(root, "file", "a", "b"))).rejects.toMatchObject({ code: "ENOTDIR" });
  await symlink("nowhere", join(root, "link"));
  await expect(makeDirectory(join(root, "link", "a"))).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
});

test.runIf(process.platform === "linux")(
  "a place that won't have directories is no reason to go on for ever",
  async () => {
    await expect(makeDirectory("/proc/punie/a")).rejects.toMatchObject({ code: "ENOENT" });
  },
);
