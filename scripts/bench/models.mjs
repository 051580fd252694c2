/** What is run: made-up weights of a shape in both formats, or a model directory of the user's. */
import fs from "node:fs";
import path from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { paths } from "../lib/paths.mjs";
import { progress, SetupError } from "../lib/report.mjs";
import { runLogged } from "../lib/run.mjs";

/**
 * @typedef {object} BenchModel
 * @property {string} name
 * @property {string} mlx A model directory.
 * @property {string} [gguf] The same shape as a GGUF file.
 * @property {number} vocabSize
 * @property {number} weightFileBytes Of the MLX weights.
 * @property {number} bytesPerToken Weights that a generated token reads.
 * @property {{ layers: number, attentionWidth: number }} config
 */

/** @returns {Promise<BenchModel[]>} */
export async function benchModels(options, python) {
  if (options.model) return [await describe(path.basename(options.model), options.model, options.gguf)];
  const models = [];
  for (const name of options.shapes) {
    const mlx = path.join(options.models, `${name}-mlx`);
    const gguf = path.join(options.models, `${name}.gguf`);
    if (!fs.existsSync(mlx) || !fs.existsSync(gguf)) await make(name, mlx, gguf, options, python);
    models.push(await describe(name, withTokenizer(options.dir, name, mlx), gguf));
  }
  return models;
}

/** Reads files to their end: what is measured finds them in memory. */
export async function warm({ mlx, gguf }) {
  const weights = fs.readdirSync(mlx).map((name) => path.join(mlx, name));
  for (const file of gguf ? [...weights, gguf] : weights) {
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    await pipeline(fs.createReadStream(file, { highWaterMark: 2 ** 22 }), nowhere);
  }
}

async function make(name, mlx, gguf, { install, models }, python) {
  if (!install || python.missing) {
    const reason = python.missing ?? "Run without --no-install to make them.";
    throw new SetupError(
      `There are no weights of the shape ${name} in ${models}, which takes Python to make.\n${reason}`,
    );
  }
  progress(`making weights of the shape ${name} in ${models}...`);
  fs.mkdirSync(models, { recursive: true });
  const script = path.join(paths.root, "scripts", "bench", "jobs", "shapes.py");
  await runLogged(path.join(models, "shapes.log"), python.python, [script, name, mlx, gguf]);
}

/** The weights where they lie, with Qwen2.5's own tokenizer beside them: loading it is part of loading a model. */
function withTokenizer(dir, name, mlx) {
  const view = path.join(dir, "with-tokenizer", name);
  fs.rmSync(view, { recursive: true, force: true });
  fs.mkdirSync(view, { recursive: true });
  for (const file of fs.readdirSync(mlx)) fs.symlinkSync(path.join(mlx, file), path.join(view, file));
  const tokenizer = path.join(paths.root, "node_modules", "@lenml", "tokenizer-qwen2_5", "models");
  for (const file of ["tokenizer.json", "tokenizer_config.json"]) {
    fs.rmSync(path.join(view, file), { force: true });
    fs.copyFileSync(path.join(tokenizer, file), path.join(view, file));
  }
  return view;
}

async function describe(name, mlx, gguf) {
  const { openModelDirectory } = await import("../../dist/models/model-directory.js");
  const { bytesPerToken } = await import("../../dist/bench/benchmark.js");
  const { config, spec } = await openModelDirectory(mlx);
  return {
    name,
    mlx,
    gguf,
    vocabSize: config.vocabSize,
    weightFileBytes: spec.files.reduce((sum, { bytes }) => sum + bytes, 0),
    bytesPerToken: await bytesPerToken(mlx),
    config: { layers: config.hiddenLayers, attentionWidth: config.attentionHeads * config.headDim },
  };
}
