/** Adapters fused by `convert`, against mlx-lm's own layers in float32. Goldens: scripts/make-goldens.py. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type ConvertOptions, convertModel } from "../../src/convert/convert-model.js";
import { readAdapter } from "../../src/models/adapter.js";
import { readWeights } from "../../src/models/weights.js";
import { loadBinding } from "../../src/native/binding.js";
import { compareWithGolden, type GoldenRun, readGolden, withTemporaryDirectory } from "../helpers/golden.js";
import { withNativeModel } from "../helpers/golden-native.js";
import { type RandomAdapterSpec, writeRandomAdapter } from "../helpers/random-adapter.js";
import { type RandomModelSpec, writeRandomModel } from "../helpers/random-model.js";

type Case = RandomModelSpec & { adapter: RandomAdapterSpec; runs: GoldenRun[] };
const golden = readGolden<{ cases: Case[] }>("adapters").cases;
const cases = golden;
const changesExperts = ({ adapter }: Case) => JSON.stringify(adapter.plan).includes("switch_mlp");
/** In float32, and where the weights are quantized as finely as can be. */
const FINE = { dtype: "float32", bits: 8, groupSize: 32 } as const;

async function withFused(
  { runs, adapter, ...spec }: Case,
  options: ConvertOptions,
  use: (fused: string, runs: readonly GoldenRun[]) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (directory) => {
    const model = await writeRandomModel(spec, join(directory, "model"));
    const path = await writeRandomAdapter(adapter, join(directory, "adapter"));
    await convertModel(loadBinding(), model, join(directory, "fused"), { ...options, adapter: path });
    await use(join(directory, "fused"), runs);
  });
}

/** Of the golden's log-probabilities. */
async function errorOf(directory: string, [run]: readonly GoldenRun[]): Promise<number> {
  let error = Number.NaN;
  await withNativeModel(directory, {}, async (generate) => {
    error = (await compareWithGolden(run as GoldenRun, generate)).meanError;
  });
  return error;
}

describe("a fused adapter", () => {
  const options = (row: Case): ConvertOptions => (row.config.quantization === undefined ? { dtype: "float32" } : FINE);

  test.each(cases)("answers as mlx-lm does with the adapter beside: $name", (row) =>
    withFused(row, options(row), async (fused, runs) => {
      // The change is rounded to the type of the weights, as mlx-lm fuses it: a bfloat16 run's error is the measure.
      expect(await errorOf(fused, runs)).toBeLessThan(2 * (runs[0] as GoldenRun).bf16Error);
    }),
  );

  test("leaves the quantization as it was, and changes no other layer", () =>
    withFused(cases[3] as Case, {}, async (fused) => {
      const base = join(fused, "..", "model");
      const config = async (path: string) => JSON.parse(await readFile(join(path, "config.json"), "utf8"));
      expect((await config(fused)).quantization).toEqual((await config(base)).quantization);
      const changed = new Set((await readAdapter(join(fused, "..", "adapter"))).layers.map(({ path }) => path));
      const [before, after] = [await bytesByName(base), await bytesByName(fused)];
      expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
      for (const [name, bytes] of before) {
        const isChanged = name.endsWith(".weight") && changed.has(name.slice(0, -".weight".length));
        if (!/\.(scales|biases)$/.test(name))
          expect([name, after.get(name)?.equals(bytes)]).toEqual([name, !isChanged]);
      }
    }));

  test("of experts is refused where it has another number of them", async () => {
    const row = cases.find(changesExperts) as Case;
    const plan = row.adapter.plan.map((entry) => {
      const [what, name, shape, ...rest] = entry as unknown as [string, string, number[], ...unknown[]];
      return shape.length === 3 ? [what, name, [shape.length, ...shape.slice(1)], ...rest] : entry;
    }) as typeof row.adapter.plan;
    const other = { ...row, adapter: { ...row.adapter, plan } };
    const expected = { code: "WEIGHTS_MISMATCH", message: expect.stringContaining("switch_mlp") };
    await expect(withFused(other, {}, async () => {})).rejects.toMatchObject(expected);
  });

  test("of experts is the same in pieces that begin and end within an expert", async () => {
    const [experts, outputs, columns, rank] = [3, 10, 64, 4];
    const floats = (count: number, factor: number) =>
      Float32Array.from({ length: count }, (_, i) => Math.sin(i * factor) / 4);
    const bytes = (values: Float32Array) => new Uint8Array(values.buffer.slice(0));
    const [a, b] = [floats(experts * rank * columns, 1.7), floats(experts * outputs * rank, 2.3)];
    const weight = floats(experts * outputs * columns, 0.9);
    const fuse = async (first: number, end: number) => {
      const matrices = { a: bytes(a), aDtype: "F32", b: bytes(b), bDtype: "F32" } as const;
      const adapter = { ...matrices, rank, outputs, experts, scale: 2, transposed: true, firstRow: first };
      const data = bytes(weight.slice(first * columns, end * columns));
      const rows = await loadBinding().convertRows({ data, columns, dtype: "F32", cast: "F32", adapter });
      return new Float32Array(rows.data.buffer);
    };
    const fused = [...(await fuse(0, 7)), ...(await fuse(7, 24)), ...(await fuse(24, 30))];
    const at = (values: Float32Array, index: number) => values[index] as number;
    for (const [i, value] of fused.entries()) {
      const [row, column] = [Math.floor(i / columns), i % columns];
      const expert = Math.floor(row / outputs);
      let change = 0;
      for (let r = 0; r < rank; r++) change += at(b, row * rank + r) * at(a, (expert * rank + r) * columns + column);
      expect(value).toBeCloseTo(at(weight, i) + 2 * change, 5);
    }
  });

  test("of another model is refused, and leaves nothing", () =>
    withTemporaryDirectory(async (directory) => {
      const [{ adapter }, other] = [cases[0] as Case, cases[2] as Case];
      const model = await writeRandomModel(other, join(directory, "model"));
      const path = await writeRandomAdapter(adapter, join(directory, "adapter"));
      const converting = convertModel(loadBinding(), model, join(directory, "fused"), { adapter: path });
      await expect(converting).rejects.toMatchObject({
        code: "WEIGHTS_MISMATCH",
        message: expect.stringContaining(path),
      });
      expect((await readdir(directory)).sort()).toEqual(["adapter", "model"]);
    }));
});

/** Of all weight files of a directory. */
async function bytesByName(directory: string): Promise<Map<string, Buffer>> {
  const { files, tensors } = await readWeights(directory);
  const contents = await Promise.all(files.map(({ path }) => readFile(path)));
  return new Map(
    tensors.map(({ name, file, offset, bytes }) => [name, (contents[file] as Buffer).subarray(offset, offset + bytes)]),
  );
}
