import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runPunie } from "../helpers/run-punie.js";
import { rerankGolden, writeTinyReranker } from "../helpers/tiny-reranker.js";

const { query, rows } = rerankGolden;
const [first, second] = rows.map(({ document }) => document) as [string, string];

let model: Awaited<ReturnType<typeof writeTinyReranker>>;
beforeAll(async () => {
  model = await writeTinyReranker();
});
afterAll(() => model.remove());

const rerank = (args: string[], input?: string) =>
  runPunie(["rerank", "--model", model.path, ...args], input === undefined ? {} : { input });

describe("punie rerank", () => {
  it("prints one JSON object with the documents, best first", async () => {
    const { stdout, stderr, exitCode } = await rerank(["--query", query, second, first]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(JSON.parse(stdout)).toEqual({
      model: model.path,
      query,
      results: [
        { index: 1, score: expect.closeTo(rows[0]?.score as number, 3), document: first },
        { index: 0, score: expect.closeTo(rows[1]?.score as number, 3), document: second },
      ],
    });
  });

  it("takes documents from a file, and another instruction", async () => {
    const args = ["--query", query, "--instruction", rows[4]?.instruction as string, "--file", "-"];
    const { stdout } = await rerank(args, `${first}\n${second}\n`);
    const scores = JSON.parse(stdout).results.map(({ score }: { score: number }) => score);
    expect(scores).toEqual([rows[4], rows[5]].map((row) => expect.closeTo(row?.score as number, 3)));
  });

  it.each([
    ["no query", ["a"], "required option '--query <text>' not specified"],
    ["no documents", ["--query", "q"], "give texts, or --file"],
  ])("refuses %s", async (_, args, message) => {
    const { stdout, stderr, exitCode } = await rerank(args);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(stderr).toContain(message);
  });
});
