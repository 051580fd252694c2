/** The command line of `npm run bench`. */
import path from "node:path";
import { parseArgs } from "node:util";
import { paths } from "../lib/paths.mjs";
import { SetupError } from "../lib/report.mjs";

export const MEASURES = ["load", "first-token", "decode", "prompt", "memory", "batch", "context", "growth"];
export const SHAPES = ["0.5b", "1.5b", "3b", "7b"];
const KERNELS = ["amx", "avx512", "avx2", "neon", "portable"];

export const USAGE = `npm run bench -- [MODEL_DIRECTORY] [options]

punie beside node-llama-cpp and mlx-lm, in turn, several rounds, each measurement in a process of its own; prints medians
and ratios as a Markdown table. Without a MODEL_DIRECTORY it runs made-up weights of Qwen2.5's shapes, the same for each.
What is missing, it brings first: the peers (about 90 MB by npm, 360 MB by pip on disk) and the weights.

  --dir DIR             where all that lies (.bench)
  --llama DIR           a directory whose node_modules has node-llama-cpp
  --python FILE         a Python that has mlx-lm and gguf
  --gguf FILE           the MODEL_DIRECTORY's weights for node-llama-cpp, which is left out without them
  --models DIR          with NAME-mlx/ and NAME.gguf for each shape
  --no-install          bring nothing: what is missing is said and left out
  --shapes LIST         of ${SHAPES.join(", ")} (0.5b,1.5b,3b)
  --only LIST           of ${MEASURES.join(", ")} (all)
  --rounds N            (3)
  --threads N           of all sides (one per core)
  --prompt-tokens N     of prompt and memory (512)
  --generate-tokens N   of decode, batch and context (64)
  --batch N             sequences together (8)
  --context N           tokens before generation goes on, in context (8192)
  --long-context N      tokens of the prompt whose reading is followed, in growth (32256)
  --llama-variant NAME  only this build of llama.cpp's processor code, such as haswell (AVX2)
  --kernels NAME        punie's kernels for ${KERNELS.join(", ")}, where the processor has more
  --wrap "COMMAND"      put before each measured command, such as "taskset -c 0,1"
  --json                one JSON object instead of the table
`;

/** @param {string[]} args */
export function parseOptions(args) {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) throw wrong(`One model directory at most, not ${positionals.length}.`);
  if (values.gguf !== undefined && positionals.length === 0) throw wrong("--gguf needs a MODEL_DIRECTORY beside it.");
  const number = (name, fallback, least = 1) => {
    const value = values[name] === undefined ? fallback : Number(values[name]);
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least))
      throw wrong(`--${name}: expected an integer, ${least} or more, not '${values[name]}'.`);
    return value;
  };
  const choice = (name, known) => {
    const value = values[name];
    if (value !== undefined && !known.includes(value))
      throw wrong(`--${name}: not one of ${known.join(", ")}: '${value}'.`);
    return value;
  };
  const dir = path.resolve(values.dir ?? path.join(paths.root, ".bench"));
  return {
    help: values.help === true,
    model: positionals[0] && path.resolve(positionals[0]),
    gguf: values.gguf && path.resolve(values.gguf),
    dir,
    llama: values.llama && path.resolve(values.llama),
    // A bare name is looked up by the system.
    python: values.python?.includes("/") ? path.resolve(values.python) : values.python,
    models: path.resolve(values.models ?? path.join(dir, "models")),
    install: values["no-install"] !== true,
    shapes: list("shapes", values.shapes ?? "0.5b,1.5b,3b", SHAPES),
    only: list("only", values.only ?? MEASURES.join(","), MEASURES),
    rounds: number("rounds", 3),
    threads: number("threads", undefined),
    promptTokens: number("prompt-tokens", 512),
    generateTokens: number("generate-tokens", 64, 2),
    batch: number("batch", 8, 2),
    context: number("context", 8192),
    longContext: number("long-context", 32_256, 2048),
    variant: values["llama-variant"],
    kernels: choice("kernels", KERNELS),
    wrap: (values.wrap ?? "").split(" ").filter(Boolean),
    json: values.json === true,
  };
}

function parse(args) {
  const text = { type: "string" };
  const flag = { type: "boolean" };
  const options = { "no-install": flag, json: flag, help: flag };
  for (const name of [
    "dir",
    "llama",
    "python",
    "gguf",
    "models",
    "shapes",
    "only",
    "rounds",
    "threads",
    "prompt-tokens",
  ])
    options[name] = text;
  for (const name of ["generate-tokens", "batch", "context", "long-context", "llama-variant", "kernels", "wrap"])
    options[name] = text;
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw wrong(error.message);
  }
}

function list(name, text, known) {
  const values = text.split(",").map((value) => value.trim());
  for (const value of values)
    if (!known.includes(value)) throw wrong(`--${name}: not one of ${known.join(", ")}: '${value}'.`);
  return values;
}

function wrong(message) {
  const error = new SetupError(`${message}\nUsage: npm run bench -- --help`);
  error.exitCode = 2;
  return error;
}
