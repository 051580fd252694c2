import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ConvertOptions, convertModel } from "../../../src/convert/convert-model.js";
import { loadBinding } from "../../../src/native/binding.js";
import { type Checkpoint, writeCheckpoint } from "../../helpers/random-checkpoint.js";
import { readSafetensors } from "./read-safetensors.js";

interface Run {
  /** Command lines; each converts what the one before made. */
  steps: string[][];
  quantization: Record<string, unknown> | null;
  metadata: Record<string, number>;
  shards: number;
  /** Six digits of a hash for each tensor, by name. */
  tensors: string;
}

const golden: { checkpoints: (Checkpoint & { runs: Run[] })[] } = JSON.parse(
  await readFile(new URL("../../fixtures/goldens/conversion.golden.json", import.meta.url), "utf8"),
);
/** As in scripts/goldens/conversion.py. */
const SHARD_BYTES = 60_000;

let work: string;
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "punie-convert-"));
});
afterAll(() => rm(work, { recursive: true }));

const binding = loadBinding();

function optionsOf(step: readonly string[]): ConvertOptions {
  const options: Record<string, unknown> = { shardBytes: SHARD_BYTES };
  for (let i = 0; i < step.length; i += 2) {
    const name = step[i]?.slice(2).replace("-size", "Size") as string;
    options[name] = ["bits", "groupSize"].includes(name) ? Number(step[i + 1]) : step[i + 1];
  }
  return options;
}

async function readJson(...path: string[]) {
  return JSON.parse(await readFile(join(...path), "utf8"));
}

const DTYPES: Record<string, string> = { U32: "uint32", U8: "uint8", F32: "float32", F16: "float16", BF16: "bfloat16" };

/** Of each tensor its name and, in the golden's form, what is to be equal. */
async function describeTensors(directory: string): Promise<Map<string, string>> {
  const files = (await readdir(directory)).filter((file) => file.endsWith(".safetensors")).sort();
  const found = new Map<string, string>();
  for (const [shard, file] of files.entries()) {
    const { tensors } = await readSafetensors(join(directory, file));
    for (const [name, { dtype, shape, bytes }] of tensors) {
      const content = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
      found.set(name, `${name} ${shard + 1} ${DTYPES[dtype]} [${shape.join(", ")}] ${content}`);
    }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const six = (line: string) => createHash("sha256").update(line).digest("hex").slice(0, 6);

describe("convertModel writes the bytes, shards and table of mlx-lm's convert", () => {
  for (const { runs, ...checkpoint } of golden.checkpoints) {
    const source = () => join(work, checkpoint.name);

    it.each(runs.map((run) => [run.steps.map((step) => step.join(" ") || "as it is").join(", then "), run] as const))(
      `of ${checkpoint.name}: %s`,
      async (_, run) => {
        if (!(await readdir(work)).includes(checkpoint.name)) await writeCheckpoint(checkpoint, source());
        let directory = source();
        let result: Awaited<ReturnType<typeof convertModel>> | undefined;
        for (const [i, step] of run.steps.entries()) {
          const output = join(work, `${checkpoint.name} ${JSON.stringify(run.steps).replaceAll(/\W+/g, "-")} ${i}`);
          result = await convertModel(binding, directory, output, optionsOf(step));
          directory = output;
        }
        const tensors = await describeTensors(directory);
        const wrong = [...tensors.values()].filter((line, i) => six(line) !== run.tensors.slice(6 * i, 6 * i + 6));
        expect(wrong).toEqual([]);
        expect(tensors.size * 6).toBe(run.tensors.length);
        const config = await readJson(directory, "config.json");
        expect(config.quantization ?? null).toEqual(run.quantization);
        expect(config.quantization_config).toEqual(config.quantization);
        const index = await readJson(directory, "model.safetensors.index.json");
        expect(index.metadata).toEqual(run.metadata);
        expect(new Set(Object.values(index.weight_map)).size).toBe(run.shards);
        expect(result).toMatchObject({ shards: run.shards, parameters: run.metadata.total_parameters });
      },
    );
  }
});
