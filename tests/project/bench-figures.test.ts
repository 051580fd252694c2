import { describe, expect, it } from "vitest";
import { bandwidths, type Measured, meets, type Row, type RowModel, rowsOf } from "../../scripts/bench/rows.mjs";
import { growth, msPerTokenAt, spread } from "../../scripts/bench/statistics.mjs";
import { markdownTable } from "../../scripts/bench/table.mjs";

const MODEL: RowModel = {
  name: "3b",
  weightFileBytes: 1000e6,
  bytesPerToken: 1e9,
  config: { layers: 10, attentionWidth: 100 },
};
const OPTIONS = { promptTokens: 512, batch: 8, context: 8192 };

const rows = (samples: Measured["samples"][string], progress?: Measured["growth"][string]): Row[] =>
  rowsOf([MODEL], { samples: { [MODEL.name]: samples }, growth: progress ? { [MODEL.name]: progress } : {} }, OPTIONS);

describe("several runs", () => {
  it.each([
    [[5], { median: 5, min: 5, max: 5, runs: 1 }],
    [[9, 1, 2], { median: 2, min: 1, max: 9, runs: 3 }],
    [[4, 1, 3, 2], { median: 2.5, min: 1, max: 4, runs: 4 }],
  ])("%j are summed up by their median", (values, expected) => {
    expect(spread(values)).toEqual(expected);
  });
});

describe("a long prompt's progress", () => {
  /** In chunks of 512, a token at position p taking `ms(p)`. */
  function progressOf(tokens: number, ms: (position: number) => number): [number, number][] {
    const events: [number, number][] = [];
    let time = 0;
    for (let processed = 512; processed <= tokens; processed += 512) {
      time += 512 * ms(processed - 256);
      events.push([processed, time]);
    }
    return events;
  }

  it("gives the time of a token at each position that was reached", () => {
    const points = msPerTokenAt(
      progressOf(4096, (position) => 1 + position / 1000),
      [1024, 4096, 8192],
    );
    expect(points.map(({ position }) => position)).toEqual([1024, 4096]);
    expect(points[0]?.msPerToken).toBeCloseTo(1.512);
    expect(points[1]?.msPerToken).toBeCloseTo(1 + 3.584);
  });

  it("grows by attention's cost alone when each position adds the same", () => {
    const linear = msPerTokenAt(
      progressOf(16_384, (position) => 1 + position / 1000),
      [1024, 4096, 8192, 16_384],
    );
    expect(growth(linear).growth).toBeCloseTo(1);
    expect(growth(linear).later).toBeCloseTo(1 / 1000);
    const squared = msPerTokenAt(
      progressOf(16_384, (position) => (position / 1000) ** 2),
      [1024, 4096, 8192, 16_384],
    );
    expect(growth(squared).growth).toBeGreaterThan(2);
  });

  it("is not judged when its times fall: the measurement was disturbed", () => {
    const judged = rows(
      {},
      progressOf(16_384, (position) => 20 - position / 1000),
    ).filter(({ aim }) => aim);
    expect(judged).toEqual([]);
  });

  it("becomes rows: the time at each position, and attention's rate", () => {
    const progress = progressOf(16_384, (position) => 1 + position / 1000);
    const [first, ...rest] = rows({}, progress);
    expect(first).toMatchObject({ measure: "a prompt's token at 1024", unit: "ms" });
    expect(first).not.toHaveProperty("ratio");
    // 4 × 100 × 10 operations a position, in a microsecond.
    expect(rest.at(-1)).toMatchObject({ unit: "GFLOP/s", met: true });
    expect(rest.at(-1)?.sides.punie?.median).toBeCloseTo(4);
  });
});

describe("the rows", () => {
  it("compare medians with the peer's and judge them by the shape's aim", () => {
    const [decode] = rows({
      punie: { "decode.generationTokensPerSecond": [20, 10, 30], "decode.bandwidth": [40e9] },
      "node-llama-cpp": { "decode.generationTokensPerSecond": [10, 11, 12] },
    });
    expect(decode).toMatchObject({ measure: "decode", ratio: 20 / 11, against: "node-llama-cpp", met: true });
    expect(decode?.aim).toEqual({ atLeast: 1.5 });
  });

  it("compare with mlx-lm, without an aim, where there is nothing else", () => {
    const [decode] = rows({
      punie: { "decode.generationTokensPerSecond": [20], "decode.bandwidth": [40e9] },
      "mlx-lm": { generationTokensPerSecond: [2] },
    });
    expect(decode).toMatchObject({ ratio: 10, against: "mlx-lm" });
    expect(decode).not.toHaveProperty("met");
  });

  it("take the share of the larger bandwidth of the two measured", () => {
    const [, share] = rows({
      punie: { "decode.generationTokensPerSecond": [20], "decode.bandwidth": [20e9] },
      memory: { bandwidth: [25e9] },
    });
    expect(share).toMatchObject({ ratio: 0.8, against: "of 25.0 GB/s", met: false });
  });

  it("have the bandwidth of all models' runs beside them, from each who measured it", () => {
    const samples = {
      a: { punie: { "decode.bandwidth": [20, 22] }, memory: { bandwidth: [30] } },
      b: { punie: { "decode.bandwidth": [24] } },
    };
    expect(bandwidths({ samples })).toMatchObject({ punie: { median: 22, runs: 3 }, separateProgram: { median: 30 } });
    expect(bandwidths({ samples: { a: { memory: { bandwidth: [30] } } } })).not.toHaveProperty("punie");
  });

  it("hold memory against the weights' file, its tenth, 150 MB and the caches", () => {
    const [memory] = rows({
      punie: { "prompt.peakMemoryBytes": [1300e6], "prompt.cacheBytes": [50e6] },
    });
    expect(memory).toMatchObject({ measure: "peak memory", ratio: 1, against: "of 1300 MB allowed", met: true });
  });

  it("hold a batch against punie alone, and a full context against an empty one", () => {
    const [batch, context] = rows({
      punie: {
        "batch.one": [10],
        "batch.generationTokensPerSecond": [24],
        "context.emptyTokensPerSecond": [10],
        "context.fullTokensPerSecond": [7],
      },
    });
    expect(batch).toMatchObject({ measure: "decode, 8 together", ratio: 2.4, met: false });
    expect(context).toMatchObject({ measure: "decode after 8192 tokens", ratio: 0.7, met: true });
  });

  it("leave out what was not measured", () => {
    expect(rows({})).toEqual([]);
  });

  it.each([
    [2, { atLeast: 2 }, true],
    [1.99, { atLeast: 2 }, false],
    [0.05, { atMost: 1 / 20 }, true],
    [0.06, { atMost: 1 / 20 }, false],
  ])("judge %f by %j as %s", (ratio, aim, expected) => {
    expect(meets(ratio, aim)).toBe(expected);
  });
});

describe("the table", () => {
  it("shows sides, ratios and aims, and a dash where a side has no figure", () => {
    const figures = rows({
      punie: { "first.loadMs": [100, 110, 90], "first.firstTokenMs": [400] },
      "node-llama-cpp": { "first.loadMs": [1000] },
    });
    expect(markdownTable(figures)).toBe(
      "| model | measure | punie | node-llama-cpp | ratio | aim |\n" +
        "| --- | --- | --- | --- | --- | --- |\n" +
        "| 3b | load, ms | 100 (90.0–110) | 1000 | 1/10.0 × node-llama-cpp | ≤ 1/20 ✗ |\n" +
        "| 3b | first token of a fresh process, ms | 400 | – |  |  |\n",
    );
  });

  it("writes shares in per cent", () => {
    const figures = rows({ punie: { "prompt.peakMemoryBytes": [650e6], "prompt.cacheBytes": [50e6] } });
    expect(markdownTable(figures)).toContain("| 650 | 50% of 1300 MB allowed | ≤ 1 ✓ |");
  });
});
