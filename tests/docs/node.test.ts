import { expect, test } from "vitest";
import { readDocExamples, runDocExample } from "../helpers/run-doc-example.js";

const PAGE = "docs/guide/node.md";

/** What each program of the page prints. */
const STDOUT: Record<string, RegExp> = {
  "answer.ts": /\S/,
  "stream.ts": /\nstopped: enough\n$/,
  "together.ts": /^true\n$/,
  "tools.ts": /^\{"toolCalls":\[.*\],"invalidToolCalls":\[.*\],"text":".*"\}\n$/,
};

test("every program of the page is tried", async () => {
  expect((await readDocExamples(PAGE)).map(({ file }) => file)).toEqual(Object.keys(STDOUT));
});

test.each(Object.entries(STDOUT))("%s runs as it stands", async (file, stdout) => {
  const result = await runDocExample(PAGE, file);
  expect({ exitCode: result.exitCode, stderr: result.stderr }).toMatchObject({ exitCode: 0 });
  expect(result.stdout).toMatch(stdout);
});
