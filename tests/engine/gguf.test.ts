import { copyFile, mkdtemp, readdir, readFile, rm, truncate, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadModel } from "../../src/api/load-model.js";
import { type LoadOptions, type LoadProgress, resolveModel } from "../../src/index.js";
import { SUPPORTED_MODEL_TYPES } from "../../src/models/config.js";
import { compareWithGolden, FIXTURES, type GoldenRun, LOGPROBS } from "../helpers/golden.js";

const goldens: Record<string, Omit<GoldenRun, "bf16Error">> = JSON.parse(
  await readFile(join(FIXTURES, "gguf", "models.golden.json"), "utf8"),
);
const fixture = (name: string) => join(FIXTURES, "gguf", `${name}.gguf`);

let directory: string;
let modelsDir: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-gguf-"));
  modelsDir = join(directory, "models");
});
afterEach(() => rm(directory, { recursive: true }));

async function answer(path: string, options: LoadOptions = {}) {
  const model = await loadModel(path, { modelsDir, ...options });
  try {
    const { tokens } = await model.generate({ prompt: [5, 6, 7], maxTokens: 4 });
    return { ids: tokens.map(({ id }) => id), info: model.info };
  } finally {
    await model.dispose();
  }
}

/** The directories of all imports, those under way too. */
async function imports(): Promise<string[]> {
  const files = await readdir(join(modelsDir, ".gguf"));
  const names = await Promise.all(files.map((file) => readdir(join(modelsDir, ".gguf", file))));
  return names.flat().filter((name) => name !== ".source");
}

/** architecture, model_type, and how far a log-probability may be off: more where scales are rounded. */
const architectures: [name: string, modelType: string, tolerance: number][] = [
  ["llama", "llama", 2e-4],
  ["qwen2", "qwen2", 5e-3],
  ["qwen3", "qwen3", 2e-4],
  ["qwen3moe", "qwen3_moe", 2e-4],
];
const runnable = architectures.filter(([, modelType]) =>
  (SUPPORTED_MODEL_TYPES as readonly string[]).includes(modelType),
);

describe("a GGUF file, loaded as it is", () => {
  it.each(runnable)("answers as mlx-lm does with its values: %s", async (name, modelType, tolerance) => {
    const golden = goldens[name] as GoldenRun;
    const model = await loadModel(fixture(name), { modelsDir });
    try {
      expect(model.info).toMatchObject({ modelType, name: fixture(name), hasTokenizer: true });
      const compared = await compareWithGolden(golden, async (prompt, maxTokens) => {
        const { tokens } = await model.generate({ prompt, maxTokens, logprobs: LOGPROBS, ignoreEos: true });
        return tokens.map(({ id, top }) => ({ id, top: top ?? [] }));
      });
      expect(compared.differences).toEqual([]);
      expect(compared.meanError).toBeLessThan(tolerance);
    } finally {
      await model.dispose();
    }
  });

  it("has the file's tokenizer and template", async () => {
    const model = await loadModel(fixture("llama"), { modelsDir });
    try {
      expect(await model.detokenize(await model.tokenize("def add(a, b): 12"))).toBe("def add(a, b): 12");
      expect(await model.applyChatTemplate([{ role: "user", content: "hi" }])).toBe("<|im_start|>user\nhi<|im_end|>\n");
    } finally {
      await model.dispose();
    }
  });

  it("is imported once, and says how far that is", async () => {
    const seen: LoadProgress[] = [];
    const onProgress = (progress: LoadProgress) => seen.push(progress);
    const first = await answer(fixture("llama"), { onProgress });
    const importing = seen.filter((progress) => progress.phase === "import");
    expect(importing.at(-1)).toMatchObject({ file: fixture("llama"), writtenBytes: importing[0]?.totalBytes });
    seen.length = 0;
    expect(await answer(fixture("llama"), { onProgress })).toEqual(first);
    expect(seen.map(({ phase }) => phase)).toEqual(["resolve", "open", "load", "ready"]);
    expect(await imports()).toHaveLength(1);
  });

  it("is imported anew once it is another file, and the old import goes", async () => {
    const file = join(directory, "m.gguf");
    await copyFile(fixture("llama"), file);
    const llama = await answer(file);
    const [before] = await imports();
    await copyFile(fixture("qwen2"), file);
    expect((await answer(file)).info.modelType).toBe("qwen2");
    await copyFile(fixture("llama"), file);
    await utimes(file, 1, 1);
    expect((await answer(file)).ids).toEqual(llama.ids);
    const after = await imports();
    expect(after).toHaveLength(1);
    expect(after).not.toContain(before);
  });

  it("is imported once by loads that run side by side", async () => {
    const answers = await Promise.all([answer(fixture("llama")), answer(fixture("llama")), answer(fixture("llama"))]);
    expect(new Set(answers.map(({ ids }) => ids.join())).size).toBe(1);
    expect(await imports()).toHaveLength(1);
  });

  it("leaves nothing when its import fails or is stopped", async () => {
    const file = join(directory, "cut.gguf");
    await copyFile(fixture("llama"), file);
    await truncate(file, 50_000);
    await expect(answer(file)).rejects.toMatchObject({ code: "MODEL_CORRUPT", message: expect.stringContaining(file) });
    const controller = new AbortController();
    const reason = new Error("enough");
    const onProgress = ({ phase }: LoadProgress) => phase === "import" && controller.abort(reason);
    await expect(answer(fixture("llama"), { signal: controller.signal, onProgress })).rejects.toBe(reason);
    expect(await imports().catch(() => [])).toEqual([]);
  });

  it("is found by its path, which no repository's name is", async () => {
    const path = fixture("llama");
    expect(await resolveModel(path, { modelsDir })).toEqual({ path, name: path, source: "gguf" });
  });
});
