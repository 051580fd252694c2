import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FIXTURES, readGolden } from "../helpers/golden.js";
import { runPunie } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const FILE = join(FIXTURES, "conversations.txt");
const { rows } = readGolden<{ rows: { perplexity: number }[] }>("perplexity");
const perplexity = (...args: string[]) => runPunie(["perplexity", "--model", TINY_MODEL, ...args]);

describe("punie perplexity", () => {
  it("prints one line: the perplexity, its standard error, and of what", async () => {
    const { stdout, stderr, exitCode } = await perplexity(FILE);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toMatch(/^Perplexity: 50\.7\d\d\d ± 5\.8\d\d\d \(2044 tokens in 4 windows of 512\)\n$/);
  });

  it("with --json prints one object", async () => {
    const args = ["--sequence-length", "100", "--stride", "50", "--max-sequences", "43", "--json"];
    const { stdout } = await perplexity(FILE, ...args);
    expect(JSON.parse(stdout)).toEqual({
      model: TINY_MODEL,
      file: FILE,
      perplexity: expect.closeTo(rows[3]?.perplexity as number, 1),
      standardError: expect.any(Number),
      negativeLogLikelihood: expect.any(Number),
      tokens: 2231,
      scoredTokens: 2199,
      windows: 43,
      sequenceLength: 100,
      stride: 50,
    });
  });

  it("takes ids, and stdin", async () => {
    const { stdout } = await runPunie(["perplexity", "--model", TINY_MODEL, "--ids", "-"], { input: "1, 2,3\n" });
    expect(stdout).toMatch(/\(2 tokens in 1 window of 512\)\n$/);
  });

  it.each([
    ["no file", 2, [], "missing required argument 'file'"],
    ["a file that isn't there", 1, ["./absent.txt"], "the file ./absent.txt: expected a text file"],
    [
      "a window past the context",
      2,
      [FILE, "--sequence-length", "4096"],
      "--sequence-length: expected an integer from",
    ],
    ["ids that are none", 2, ["--ids", FILE], "expected token ids"],
  ])("refuses %s", async (_, expected, args, message) => {
    const { stdout, stderr, exitCode } = await perplexity(...args);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: expected });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
  });
});
