/** Reranking against mlx-lm's logits in float32. Goldens: scripts/make-goldens.py. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadModel, type Model } from "../../src/index.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";
import { type RerankRow, rerankGolden, writeTinyReranker } from "../helpers/tiny-reranker.js";

const { query, rows } = rerankGolden;

let model: Model;
let remove: () => Promise<void>;
beforeAll(async () => {
  const copy = await writeTinyReranker();
  remove = copy.remove;
  model = await loadModel(copy.path, { threads: 2, contextLength: 256 });
});
afterAll(async () => {
  await model.dispose();
  await remove();
});

function expectGolden(ranked: { index: number; score: number }[], expected: RerankRow[]): void {
  const best = expected.map(({ score }, index) => ({ index, score })).sort((a, b) => b.score - a.score);
  expect(ranked).toEqual(best.map(({ index, score }) => ({ index, score: expect.closeTo(score, 3) })));
}

describe("rerank", () => {
  it.each([undefined, "Given a question, find code that answers it"])(
    "gives the scores of mlx-lm's logits, best first (instruction: %s)",
    async (instruction) => {
      const expected = rows.filter((row) => row.instruction === instruction);
      const documents = expected.map(({ document }) => document);
      expectGolden(await model.rerank(query, documents, { instruction }), expected);
    },
  );

  it("gives a document the same score alone as among others, and equals in their order", async () => {
    const documents = rows.slice(0, 4).map(({ document }) => document);
    const ranked = await model.rerank(query, [...documents, ...documents]);
    expect(ranked.map(({ index }) => index % 4)).toEqual([2, 2, 3, 3, 0, 0, 1, 1]);
    for (const { index, score } of ranked) {
      expect(await model.rerank(query, [documents[index % 4] as string])).toEqual([{ index: 0, score }]);
    }
    for (let i = 0; i < ranked.length; i += 2) expect(ranked[i]?.index).toBeLessThan(ranked[i + 1]?.index as number);
  });

  it("of no documents is an empty ranking", async () => {
    expect(await model.rerank(query, [])).toEqual([]);
  });

  it("refuses a document longer than the context, and texts that are none", async () => {
    await expect(model.rerank(query, ["a", "long ".repeat(200)])).rejects.toMatchObject({
      code: "CONTEXT_TOO_LONG",
      message: expect.stringMatching(/^documents\[1\] takes \d+ tokens; the context holds 256\.$/),
    });
    const invalid = (message: string) => ({ code: "INVALID_OPTION", message: expect.stringContaining(message) });
    await expect(model.rerank("", ["a"])).rejects.toMatchObject(invalid("query: expected a text"));
    await expect(model.rerank("q", ["a", 7 as never])).rejects.toMatchObject(invalid("documents[1]: expected a text"));
    await expect(model.rerank("q", "a" as never)).rejects.toMatchObject(invalid("documents: expected an array"));
    await expect(model.rerank("q", ["a"], { top: 3 } as never)).rejects.toMatchObject(invalid("unknown option 'top'"));
  });

  it("says so when the model has no token for yes or no", async () => {
    await using plain = await loadModel(TINY_MODEL);
    await expect(plain.rerank(query, ["a"])).rejects.toMatchObject({
      code: "MODEL_UNSUPPORTED",
      message: expect.stringContaining("no token 'yes'"),
    });
  });
});
