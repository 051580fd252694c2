import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { loadModel } from "../../src/index.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";
import { punie } from "../helpers/punie-in-process.js";
import { copyTinyModel, TINY_MODEL } from "../helpers/tiny-model.js";

const setup = setUpHub();
let tiny: Record<string, Buffer>;
beforeEach(async () => {
  vi.stubEnv("HOME", setup.home);
  vi.stubEnv("HF_ENDPOINT", setup.hub.endpoint);
  for (const name of ["PUNIE_MODEL", "PUNIE_MODELS_DIR", "HF_HOME", "HF_TOKEN"]) vi.stubEnv(name, "");
  const names = await readdir(TINY_MODEL);
  tiny = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(TINY_MODEL, name))] as const)),
  );
  setup.hub.repositories[NAME] = { files: tiny };
  return () => vi.unstubAllEnvs();
});

/** What `models check --json` says, and its exit code. */
async function checked(...args: string[]) {
  const { code, stdout, stderr } = await punie("models", "check", NAME, "--json", ...args);
  return { code, stderr, result: stdout === "" ? undefined : JSON.parse(stdout) };
}

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** The model with the header of its weights changed, and zeros for the weights. */
function withHeader(change: (header: Header) => void): Record<string, Buffer> {
  const weights = tiny["model.safetensors"] as Buffer;
  const length = Number(weights.readBigUInt64LE());
  const header = JSON.parse(weights.toString("utf8", 8, 8 + length));
  change(header);
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  const file = Buffer.concat([start, text, weights.subarray(8 + length)]);
  return { ...tiny, "model.safetensors": file, "model.safetensors.index.json": Buffer.alloc(0) };
}

/** An index is no part of what these models are about. */
const withoutIndex = ({ "model.safetensors.index.json": _, ...files }: Record<string, Buffer>) => files;

const withConfig = (change: (config: Record<string, unknown>) => void) => {
  const config = JSON.parse((tiny["config.json"] as Buffer).toString());
  change(config);
  return { ...tiny, "config.json": Buffer.from(JSON.stringify(config)) };
};

describe("models check, of a model on the Hub", () => {
  test("says that it runs, what it takes and how fast it would be, and keeps nothing", async () => {
    const before = await readdir(tmpdir());
    const { code, result } = await checked("--context-length", "1024");
    expect([code, result]).toEqual([
      0,
      {
        name: NAME,
        hub: {
          repository: NAME,
          commit: expect.stringMatching(/^[0-9a-f]{40}$/),
          totalBytes: expect.any(Number),
          fetchBytes: expect.any(Number),
          peekedBytes: expect.any(Number),
          hasTokenizer: true,
        },
        runs: true,
        problems: [],
        model: {
          modelType: "qwen2",
          quantization: { mode: "affine", bits: 4, groupSize: 64 },
          weightBytes: expect.any(Number),
          contextLength: 1024,
          cacheBytes: expect.any(Number),
          memoryBytes: expect.any(Number),
          machineBytes: expect.any(Number),
          memoryBandwidthBytesPerSecond: expect.any(Number),
          tokensPerSecond: { most: expect.any(Number), expected: expect.any(Number) },
        },
        tokenizerClass: "Qwen2Tokenizer",
        hasTokenizer: true,
        hasTemplate: true,
      },
    ]);
    expect(
      (await readdir(tmpdir())).filter((name) => name.startsWith("punie-check-") && !before.includes(name)),
    ).toEqual([]);
    await expect(readdir(setup.modelsDir)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("fetches headers and small files only", async () => {
    const weights = setup.hub.repositories[NAME]?.files["model.safetensors"] as Buffer;
    const { result } = await checked();
    expect(result.hub.totalBytes).toBeGreaterThan(weights.length);
    expect(setup.hub.sentBytes).toBeLessThan(200_000);
    const asked = setup.hub.requests.filter(({ file }) => file === "model.safetensors");
    expect(asked.length).toBeGreaterThan(0);
    for (const { range } of asked) expect(range).toBe("bytes=0-65535");
    expect(setup.hub.requests.map(({ file }) => file)).not.toContain("tokenizer.json");
  });

  test("reads no more of weights that begin with a wild length, and says what is wrong with them", async () => {
    const weights = Buffer.alloc(40 * 2 ** 20, 0x77);
    setup.hub.repositories[NAME] = { files: { ...withoutIndex(tiny), "model.safetensors": weights } };
    const { code, result } = await checked();
    expect(code).toBe(1);
    expect(result).toMatchObject({
      runs: false,
      problems: [{ message: expect.stringContaining("model.safetensors") }],
    });
    expect(setup.hub.sentBytes).toBeLessThan(200_000);
  });

  test("prints a table", async () => {
    const { stdout } = await punie("models", "check", NAME);
    expect(stdout).toMatch(
      /^org\/model:\nRuns here +yes\nArchitecture +qwen2\nWeights +.*4-bit, group 64\nTo fetch +.*commit .* were read for this\nMemory +.* tokens; this machine has .*\nSpeed +about .* tokens\/s, at most .*\nTokenizer +Qwen2Tokenizer\nChat template +yes\n$/,
    );
  });

  test.each<[string, () => Record<string, Buffer>, string, string]>([
    [
      "a tensor that is missing",
      () => withHeader((header) => void delete header["model.norm.weight"]),
      "WEIGHTS_MISMATCH",
      "'model.norm.weight' is missing",
    ],
    [
      "a tensor that no layer takes",
      () =>
        withHeader((header) => {
          header["model.extra.weight"] = { dtype: "F16", shape: [0], data_offsets: [0, 0] };
        }),
      "WEIGHTS_MISMATCH",
      "'model.extra.weight' is not part of this model",
    ],
    [
      "another shape",
      () => withConfig((config) => void Object.assign(config, { vocab_size: 4000 })),
      "WEIGHTS_MISMATCH",
      "'model.embed_tokens.weight' has shape",
    ],
    [
      "another width than config.json says",
      () =>
        withConfig(
          (config) =>
            void Object.assign(config, {
              quantization: { bits: 4, group_size: 64, "model.layers.0.mlp.up_proj": { bits: 8, group_size: 64 } },
            }),
        ),
      "WEIGHTS_MISMATCH",
      "config.json says 8 bits",
    ],
    [
      "another architecture",
      () => withConfig((config) => void Object.assign(config, { model_type: "gemma3" })),
      "MODEL_UNSUPPORTED",
      '"gemma3"',
    ],
    [
      "weights without a header",
      () => ({ ...tiny, "model.safetensors": Buffer.alloc(100_000, 1) }),
      "MODEL_CORRUPT",
      "no safetensors file",
    ],
    [
      "no config.json",
      () => ({ "model.safetensors": tiny["model.safetensors"] as Buffer }),
      "MODEL_CORRUPT",
      "config.json: the file is missing",
    ],
  ])("says why it would not run: %s", async (_, files, code, message) => {
    const changed = files();
    setup.hub.repositories[NAME] = {
      files: changed["model.safetensors.index.json"]?.length === 0 ? withoutIndex(changed) : changed,
    };
    const { code: exit, result, stderr } = await checked();
    expect(exit).toBe(1);
    if (result === undefined) expect(stderr).toContain(message);
    else {
      expect(result).toMatchObject({ runs: false, problems: expect.any(Array) });
      const problem = result.problems.find((found: { part: string }) => found.part === "model");
      expect(problem).toEqual({ part: "model", code, message: expect.stringContaining(message) });
      expect(problem.message).not.toContain("punie-check-");
    }
  });

  test("tells of a tokenizer that is not there and a template that never ends, and that it runs on ids", async () => {
    const { "tokenizer.json": _, ...files } = tiny;
    const template = "{% for i in range(10000000000) %}{% endfor %}";
    setup.hub.repositories[NAME] = { files: { ...files, "chat_template.jinja": Buffer.from(template) } };
    const { code, result } = await checked();
    expect([code, result.runs, result.hasTemplate]).toEqual([0, true, false]);
    expect(result.problems).toMatchObject([{ part: "tokenizer" }, { part: "template", code: "MODEL_CORRUPT" }]);
  });

  test("is of the revision that is asked for, and says what the Hub says", async () => {
    setup.hub.repositories[NAME] = {
      files: tiny,
      revisions: {
        old: { files: { "config.json": Buffer.from("{}"), "model.safetensors": tiny["model.safetensors"] as Buffer } },
      },
    };
    expect((await checked("--revision", "old")).code).toBe(1);
    const absent = await punie("models", "check", "org/none");
    expect([absent.code, absent.stderr]).toEqual([1, expect.stringContaining("'org/none'")]);
  });

  test("a dry run of a download says it too", async () => {
    const { code, stdout } = await punie("download-model", NAME, "--dry-run");
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/to fetch: [\s\S]*\nRuns here +yes\n[\s\S]*Speed +about/),
    ]);
    setup.hub.repositories[NAME] = {
      files: withoutIndex(withHeader((header) => void delete header["model.norm.weight"])),
    };
    const json = JSON.parse((await punie("download-model", NAME, "--dry-run", "--json")).stdout);
    expect(json).toMatchObject({ repository: NAME, check: { runs: false, problems: [{ code: "WEIGHTS_MISMATCH" }] } });
  });
});

describe("models check, of a model that is here", () => {
  test("asks for the memory that loading asks for", async () => {
    const { stdout } = await punie("models", "check", TINY_MODEL, "--json", "--context-length", "512");
    const { memoryBytes } = JSON.parse(stdout).model;
    const model = await loadModel(TINY_MODEL, { contextLength: 512, memoryLimitBytes: memoryBytes });
    await model.dispose();
    const less = loadModel(TINY_MODEL, { contextLength: 512, memoryLimitBytes: memoryBytes - 1 });
    await expect(less).rejects.toMatchObject({ code: "OUT_OF_MEMORY" });
  });

  test("asks nobody", async () => {
    const { path, remove } = await copyTinyModel();
    try {
      const { code, stdout } = await punie("models", "check", path, "--json");
      expect([code, JSON.parse(stdout)]).toEqual([
        0,
        expect.objectContaining({ name: path, path, runs: true, problems: [] }),
      ]);
      await rm(join(path, "tokenizer.json"));
      await writeFile(join(path, "config.json"), "{}");
      const broken = await punie("models", "check", path);
      expect([broken.code, broken.stdout]).toEqual([
        1,
        expect.stringMatching(/Runs here +no\nProblem: model +config\.json: model_type/),
      ]);
      expect(setup.hub.requests).toEqual([]);
    } finally {
      await remove();
    }
  });
});
