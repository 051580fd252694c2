import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { brokenLinks } from "../../scripts/lib/markdown-links.mjs";
import { withTemporaryDirectory } from "../helpers/golden.js";

test("no link of a page leads nowhere", () => {
  expect(brokenLinks(fileURLToPath(new URL("../../", import.meta.url)))).toEqual([]);
});

test("a link to a file or a heading that is not there is told with its place", async () => {
  await withTemporaryDirectory(async (root) => {
    await mkdir(join(root, "docs"));
    await writeFile(join(root, "docs", "other.md"), "# One `heading`!\n## Two\n## Two\n```\n# not one\n```\n");
    const lines = [
      "[right](docs/other.md#one-heading) and [again](docs/other.md#two-1), [away](https://example.com/x)",
      "[gone](docs/gone.md) `[code](nowhere.md)`",
      "```\n[code](nowhere.md)\n```",
      "[no heading](docs/other.md#not-one) [own](#nothing)",
      "[name]: docs/missing.md",
    ];
    await writeFile(join(root, "README.md"), lines.join("\n"));
    expect(brokenLinks(root)).toEqual([
      "README.md:2: (docs/gone.md) is not there",
      "README.md:6: (docs/other.md#not-one) names no heading of that page",
      "README.md:6: (#nothing) names no heading of that page",
      "README.md:7: (docs/missing.md) is not there",
    ]);
  });
});
