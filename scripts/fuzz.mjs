/**
 * Feeds a reader of untrusted input with damaged ones: `npm run fuzz -- TARGET [--seconds N] [--seed N]`.
 * `npm run fuzz` lists the targets. Native ones (tests/fuzz/native) are libFuzzer's and need clang; the others are
 * tests/fuzz/targets/*.ts, run from a seed. What was found lies in build/fuzz, named in the output.
 * `--merge`: takes over into tests/fuzz/corpus what earlier runs of a native target have found to be new.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildAddon } from "./lib/build-addon.mjs";
import { paths } from "./lib/paths.mjs";
import { prepare } from "./lib/prepare.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";
import { output } from "./lib/run.mjs";

const NATIVE = ["tokenizer", "weights"];
const COMPILERS = ["clang++", "clang++-19", "clang++-18", "clang++-17", "clang++-16", "clang++-15", "clang++-14"];
/** Largest input that libFuzzer makes. A tokenizer.json of all bytes takes 5 KB. */
const MOST_BYTES = { tokenizer: 16_384, weights: 4096 };
/** A clone carries them. The rest is found again within a minute. */
const MOST_CORPUS_FILES = 96;

await runMain(async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      case: { type: "string" },
      merge: { type: "boolean", default: false },
    },
  });
  const others = fs
    .readdirSync(path.join(paths.root, "tests", "fuzz", "targets"))
    .map((file) => path.basename(file, ".ts"));
  const [target] = positionals;
  if (target === undefined || ![...NATIVE, ...others].includes(target)) {
    throw new SetupError(
      `Usage: npm run fuzz -- TARGET [--seconds N] [--seed N] [--case N]\nTargets: ${[...NATIVE, ...others].join(", ")}`,
    );
  }
  for (const name of ["seconds", "seed", "case"]) {
    if (!/^\d*$/.test(values[name] ?? "")) throw new SetupError(`--${name} must be a whole number.`);
  }
  if (NATIVE.includes(target)) await fuzzNative(target, values);
  else await fuzzScript(target, values);
});

/** libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer. */
async function fuzzNative(target, { seconds, seed, merge }) {
  const compiler = process.env.CXX ?? COMPILERS.find((name) => output(name, ["--version"]) !== undefined);
  if (compiler === undefined) throw new SetupError("The native targets need clang: sudo apt-get install clang");
  await prepare();
  // The native tests need a newer clang than the addon does.
  Object.assign(process.env, {
    CXX: compiler,
    PUNIE_NATIVE_TESTS: "OFF",
    PUNIE_SANITIZE: "fuzzer-no-link,address,undefined",
  });
  await buildAddon();
  const program = path.join(paths.build, "sanitize-fuzzer-no-link-address-undefined", `punie_fuzz_${target}`);
  const found = path.join(paths.build, "fuzz", target);
  const seeds = path.join(paths.root, "tests", "fuzz", "corpus", target);
  fs.mkdirSync(found, { recursive: true });
  fs.mkdirSync(seeds, { recursive: true });
  const env = {
    ...process.env,
    // libmlx and libstdc++ are not instrumented, and vectors that they have made are not marked.
    ASAN_OPTIONS: "detect_container_overflow=0",
    UBSAN_OPTIONS: "print_stacktrace=1",
  };
  const limits = [`-max_len=${MOST_BYTES[target]}`, "-timeout=20", "-rss_limit_mb=2048", `-artifact_prefix=${found}-`];
  if (merge) return mergeCorpus(program, seeds, found, limits, env);
  const words = path.join(paths.root, "tests", "fuzz", "native", `${target}.dict`);
  const args = [...limits, `-max_total_time=${seconds}`, `-seed=${seed}`, "-print_final_stats=1", "-verbosity=1"];
  if (fs.existsSync(words)) args.push(`-dict=${words}`);
  const code = await run(program, [...args, found, seeds], { env });
  if (code !== 0) throw new SetupError(`${target} failed (${code}); the input lies beside ${found}.`);
}

/** Keeps some of the inputs that reach something of their own, of every size. */
async function mergeCorpus(program, seeds, found, limits, env) {
  const merged = `${found}-merged`;
  fs.rmSync(merged, { recursive: true, force: true });
  fs.mkdirSync(merged);
  const code = await run(program, ["-merge=1", "-use_value_profile=0", ...limits, merged, seeds, found], { env });
  if (code !== 0) throw new SetupError(`merging failed (${code}).`);
  const files = fs.readdirSync(merged).map((name) => ({ name, bytes: fs.statSync(path.join(merged, name)).size }));
  files.sort((a, b) => a.bytes - b.bytes || (a.name < b.name ? -1 : 1));
  for (const name of fs.readdirSync(seeds)) {
    // Those with a plain name were written by hand.
    if (/^[0-9a-f]{40}$/.test(name)) fs.rmSync(path.join(seeds, name));
  }
  const every = Math.max(1, files.length / MOST_CORPUS_FILES);
  for (let at = 0; at < files.length; at += every) {
    const { name } = files[Math.floor(at)];
    fs.copyFileSync(path.join(merged, name), path.join(seeds, name));
  }
  progress(`${fs.readdirSync(seeds).length} inputs in ${path.relative(paths.root, seeds)}`);
}

async function fuzzScript(target, { seconds, seed, case: only }) {
  await prepare();
  const env = {
    ...process.env,
    PUNIE_FUZZ: target,
    PUNIE_FUZZ_SECONDS: seconds,
    PUNIE_FUZZ_SEED: seed,
    ...(only === undefined ? {} : { PUNIE_FUZZ_CASE: only }),
  };
  const vitest = path.join(paths.root, "node_modules", "vitest", "vitest.mjs");
  const code = await run(process.execPath, [vitest, "run", "tests/fuzz/targets.test.ts"], { env });
  if (code !== 0) throw new SetupError(`${target} failed (${code}); the case is named above.`);
}

function run(command, args, { env }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: paths.root, env, stdio: "inherit" });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
}
