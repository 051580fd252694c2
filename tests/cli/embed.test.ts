import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGolden } from "../helpers/golden.js";
import { runPunie } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const { texts } = readGolden<{ texts: { text: string; vector: number[] }[] }>("embeddings");
const [first, second] = texts as [{ text: string; vector: number[] }, { text: string; vector: number[] }];
const embed = (...args: string[]) => runPunie(["embed", "--model", TINY_MODEL, ...args]);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "punie-embed-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("punie embed", () => {
  it("prints one JSON object with a vector for each text, in their order", async () => {
    const { stdout, stderr, exitCode } = await embed(first.text, second.text);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    const { embeddings, ...rest } = JSON.parse(stdout);
    expect(rest).toEqual({ model: TINY_MODEL, dimensions: 128 });
    for (const [i, { vector }] of [first, second].entries()) {
      expect(embeddings[i]).toEqual(vector.map((value) => expect.closeTo(value, 3)));
    }
  });

  it("takes texts from a file, and cuts, pools and instructs as it is told", async () => {
    const file = join(folder, "texts.txt");
    await writeFile(file, "one\r\n\ntwo\n");
    const { stdout } = await embed(
      "--file",
      file,
      "--dimensions",
      "8",
      "--pooling",
      "mean",
      "--instruction",
      "Find it",
    );
    const { dimensions, embeddings } = JSON.parse(stdout);
    expect({ dimensions, lengths: embeddings.map((vector: number[]) => vector.length) }).toEqual({
      dimensions: 8,
      lengths: [8, 8],
    });
    for (const vector of embeddings) expect(Math.hypot(...vector)).toBeCloseTo(1, 6);
    expect(stdout.split("\n").length).toBeLessThan(12);
  });

  it.each([
    ["nothing to embed", 2, () => [], "give texts, or --file with one a line; found neither"],
    ["texts twice", 2, () => ["a", "--file", "-"], "found both"],
    ["an empty text", 2, () => [""], "texts[0]: expected a text that is not empty"],
    ["an unknown pooling", 2, () => ["a", "--pooling", "cls"], "last, mean"],
    ["more dimensions than there are", 2, () => ["a", "--dimensions", "129"], "--dimensions: expected an integer"],
    ["a file that isn't there", 1, () => ["--file", join(folder, "absent")], "--file"],
  ])("refuses %s", async (_, expected, args, message) => {
    const { stdout, stderr, exitCode } = await embed(...args());
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: expected });
    expect(stderr).toContain(message);
    expect(stderr).not.toContain("    at ");
  });
});
