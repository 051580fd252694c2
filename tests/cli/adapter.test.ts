import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readGolden } from "../helpers/golden.js";
import { type RandomAdapterSpec, writeRandomAdapter } from "../helpers/random-adapter.js";
import { runPunie } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const Q = "model.layers.0.self_attn.q_proj";
/** Fits the tiny model. */
const ADAPTER: RandomAdapterSpec = {
  file: "adapters.safetensors",
  seed: 3,
  dtype: "F32",
  config: { fine_tune_type: "lora", num_layers: 6, lora_parameters: { rank: 4, scale: 8, dropout: 0 } },
  plan: [
    ["uniform", `${Q}.lora_a`, [128, 4], 0],
    ["uniform", `${Q}.lora_b`, [4, 128], 0],
  ],
};
const { cases } = readGolden<{ cases: { adapter: RandomAdapterSpec }[] }>("adapters");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "punie-adapter-"));
  await writeRandomAdapter(ADAPTER, join(folder, "good"));
  await writeRandomAdapter((cases[0] as { adapter: RandomAdapterSpec }).adapter, join(folder, "of-another-model"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("--adapter", () => {
  it.each([
    ["generate", ["--prompt-ids", "1,2,3,4,5,6", "--max-tokens", "5", "--ignore-eos", "--json"], "tokens"],
    ["embed", ["a text"], "embeddings"],
    ["perplexity", ["--ids", "-", "--json"], "perplexity"],
  ])("changes what %s gives", async (command, args, field) => {
    const run = async (...more: string[]) => {
      const input = "1,2,3,4,5,6,7,8,9";
      const { stdout, stderr } = await runPunie([command, "--model", TINY_MODEL, ...args, ...more], { input });
      expect(stderr).toBe("");
      return JSON.parse(stdout)[field];
    };
    const plain = await run();
    const adapted = await run("--adapter", join(folder, "good"));
    expect(adapted).not.toEqual(plain);
  });

  it.each([
    ["that isn't there", "absent", "there is no such adapter"],
    ["of another model", "of-another-model", "The adapter does not fit the model"],
  ])("%s is an error that names it", async (_, name, message) => {
    const args = ["generate", "--model", TINY_MODEL, "--prompt", "x", "--adapter", join(folder, name)];
    const { stdout, stderr, exitCode } = await runPunie(args);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toContain(join(folder, name));
    expect(stderr).toContain(message);
  });
});
