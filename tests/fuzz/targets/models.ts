/** Whole model directories through `loadModel`, and a few tokens of those that load. */
import { cp, mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loadModel } from "../../../src/index.js";
import { TINY_CODER } from "../../helpers/golden.js";
import type { Random } from "../../helpers/random.js";
import { writeRandomModel } from "../../helpers/random-model.js";
import { SMALL } from "../../helpers/random-model-damage.js";
import { mutateBytes } from "../mutate-bytes.js";
import { type Json, mutateJson } from "../mutate-json.js";
import type { FuzzTarget } from "../run-cases.js";

/** A sound directory, and what each of its files holds. */
interface Sound {
  path: string;
  files: Map<string, Buffer>;
}

/** CONTEXT_TOO_LONG: of the prompt, where config.json says that the context is tiny. */
const CODES = ["MODEL_CORRUPT", "MODEL_UNSUPPORTED", "WEIGHTS_MISMATCH", "OUT_OF_MEMORY", "CONTEXT_TOO_LONG"];

export async function open(directory: string): Promise<FuzzTarget> {
  const bare = await writeRandomModel({ ...SMALL, shards: 2 }, join(directory, "bare"));
  const tiny = join(directory, "tiny");
  await cp(TINY_CODER, tiny, { recursive: true });
  const models = [await read(bare), await read(tiny)];
  return {
    codes: CODES,
    async run(random) {
      const model = models[random(models.length)] as Sound;
      const names = [...model.files.keys()];
      const damaged = new Set(Array.from({ length: 1 + random(2) }, () => names[random(names.length)] as string));
      for (const name of damaged) await damage(model, name, random);
      try {
        return await tryModel(model, random);
      } finally {
        for (const name of damaged) await restore(model, name);
      }
    },
  };
}

async function read(path: string): Promise<Sound> {
  const names = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"];
  names.push("model.safetensors", "model.safetensors.index.json");
  names.push("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
  const files = new Map<string, Buffer>();
  for (const name of names) {
    const file = join(path, name);
    if (await stat(file).catch(() => undefined)) files.set(name, await readFile(file));
  }
  return { path, files };
}

async function damage({ path, files }: Sound, name: string, random: Random): Promise<void> {
  const file = join(path, name);
  const sound = files.get(name) as Buffer;
  switch (random(12)) {
    case 0:
      return rm(file);
    case 1:
      await rm(file);
      return void (await mkdir(file));
    case 2:
      await rm(file);
      return symlink(name, file);
    case 3:
      return writeFile(file, sound.subarray(0, random(sound.length)));
    default:
      return writeFile(file, name.endsWith(".json") ? damagedJson(sound, random) : damagedWeights(sound, random));
  }
}

function damagedJson(sound: Buffer, random: Random): string | Uint8Array {
  if (random(4) === 0) return mutateBytes(sound, random);
  return JSON.stringify(mutateJson(JSON.parse(sound.toString()) as Json, random));
}

/** The header, which then may not fit its length, or some of the values. */
function damagedWeights(sound: Buffer, random: Random): Uint8Array {
  const length = Number(sound.readBigUInt64LE());
  const data = sound.subarray(8 + length);
  if (random(4) === 0) return Buffer.concat([sound.subarray(0, 8 + length), noisy(data, random)]);
  if (random(4) === 0) return Buffer.concat([mutateBytes(sound.subarray(0, 8 + length), random), data]);
  const header = mutateJson(JSON.parse(sound.subarray(8, 8 + length).toString()) as Json, random);
  const text = Buffer.from(JSON.stringify(header));
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([start, text, data]);
}

/** Values that are NaN, infinite, or anything. */
function noisy(data: Buffer, random: Random): Buffer {
  const noise = Buffer.from(data);
  for (let left = 1 + random(64); left > 0 && noise.length > 0; left--) {
    const at = random(noise.length);
    noise.fill([0xff, 0x7f, 0x00, random(256)][random(4)] as number, at, Math.min(noise.length, at + 1 + random(64)));
  }
  return noise;
}

async function restore({ path, files }: Sound, name: string): Promise<void> {
  const file = join(path, name);
  await rm(file, { recursive: true, force: true });
  await writeFile(file, files.get(name) as Buffer);
}

async function tryModel({ path }: Sound, random: Random): Promise<string> {
  const model = await loadModel(path, { threads: 1 + random(2) });
  try {
    const messages = [{ role: "user" as const, content: "Write a function." }];
    const withMessages = model.info.hasTokenizer && random(2) === 0;
    const request = withMessages ? { messages } : { prompt: [1, 2, 3] };
    const { usage } = await model.generate({ ...request, maxTokens: 4, temperature: random(2), seed: 1 });
    return usage.completionTokens > 0 ? "answered" : "ended at once";
  } finally {
    await model.dispose();
  }
}
