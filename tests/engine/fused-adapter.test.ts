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
const changesExperts = ({ adapter }: Case) => /switch_mlp|experts/.test(JSON.stringify(adapter.plan));
const cases = golden.filter((row) => !changesExperts(row));
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

  test.each(golden.filter(changesExperts))("of experts is refused by name: $name", async (row) => {
    const expected = { code: "MODEL_UNSUPPORTED", message: expect.stringContaining("switch_mlp") };
    await expect(withFused(row, {}, async () => {})).rejects.toMatchObject(expected);
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
