import { describe, expect, it } from "vitest";
import { readDocExamples, runDocExample } from "../helpers/run-doc-example.js";

/** What each program prints, by page; a file that another one needs prints nothing by itself. */
const PAGES = {
  "docs/guide/isolation.md": { "crash.ts": /\S/, "restart.ts": /\S/ },
  "docs/guide/worker.md": { "main.ts": /\S/, "worker.ts": undefined },
  "docs/guide/memory.md": {
    "auto.ts": /^2048\n\{ modelBytes: \d+, cacheBytes: \d+, workBytes: \d+, peakBytes: \d+ \}\n$|^2048\n\{\n/,
    "using.ts": /\S/,
  },
} as const;

describe.each(Object.entries(PAGES))("%s", (page, programs) => {
  it("shows these programs and no others", async () => {
    expect((await readDocExamples(page)).map(({ file }) => file)).toEqual(Object.keys(programs));
  });

  it.each(Object.entries(programs).filter(([, output]) => output))("%s does what it says", async (file, output) => {
    expect(await runDocExample(page, file)).toEqual({
      stdout: expect.stringMatching(output as RegExp),
      stderr: "",
      exitCode: 0,
    });
  });
});
