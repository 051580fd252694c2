import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../src/errors.js";
import { runDocExample } from "../helpers/run-doc-example.js";

const PAGE = "docs/guide/troubleshooting.md";

test("the page has every error code once, with its cause and its cure", async () => {
  const text = await readFile(new URL(`../../${PAGE}`, import.meta.url), "utf8");
  const sections = text.split(/^### /m).slice(1);
  const codes = sections.map((section) => /^`([A-Z_]+)`\n/.exec(section)?.[1]);
  expect([...codes].sort()).toEqual([...ERROR_CODES].sort());
  for (const section of sections) expect(section).toMatch(/^\*\*Cause:\*\* \S.+\n\*\*Cure:\*\* \S/m);
});

test("errors.ts tells what to run first", async () => {
  const { stdout, stderr, exitCode } = await runDocExample(PAGE, "errors.ts");
  expect({ stdout, stderr, exitCode }).toEqual({
    stdout: expect.stringMatching(/^Run this first: punie download-model mlx-community\/no-such-model\b.*\n$/),
    stderr: "",
    exitCode: 0,
  });
});
