/**
 * npm run bench -- MODEL_DIRECTORY [--python PYTHON] [--rounds N]: punie and mlx-lm on the same model, in turn, because
 * machines are shared and drift; prints medians and the ratio. PYTHON has mlx-lm (see bench/mlx-lm.py).
 */
import { execFileSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { paths } from "./lib/paths.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { python: { type: "string", default: "python3" }, rounds: { type: "string", default: "5" } },
});
const [model] = positionals;
const rounds = Number(values.rounds);
if (model === undefined || !(rounds >= 1)) {
  process.stderr.write("usage: npm run bench -- MODEL_DIRECTORY [--python PYTHON] [--rounds N]\n");
  process.exit(2);
}

// mlx-lm takes seconds for these; a longer run would only wait longer for the same rate.
const MLX_LM_TOKENS = ["16", "8"];

const runs = { punie: [], "mlx-lm": [] };
for (let round = 0; round < rounds; round++) {
  runs.punie.push(punie());
  runs["mlx-lm"].push(mlxLm());
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
for (const what of ["prompt", "generation"]) {
  const [ours, theirs] = ["punie", "mlx-lm"].map((name) => median(runs[name].map((run) => run[what])));
  process.stdout.write(
    `${what}: punie ${ours.toFixed(1)} tokens/s, mlx-lm ${theirs.toFixed(1)} tokens/s, ratio ${(ours / theirs).toFixed(1)} ` +
      `(medians of ${rounds} rounds)\n`,
  );
}

function punie() {
  const cli = path.join(paths.root, "dist", "cli", "main.js");
  const args = ["benchmark", "--model", path.resolve(model), "--prompt-tokens", "256", "--generate-tokens", "128"];
  const report = JSON.parse(run(process.execPath, [cli, ...args, "--repeat", "1", "--json"]));
  return { prompt: report.promptTokensPerSecond.median, generation: report.generationTokensPerSecond.median };
}

function mlxLm() {
  return JSON.parse(
    run(values.python, [path.join(paths.root, "scripts", "bench", "mlx-lm.py"), model, ...MLX_LM_TOKENS]),
  );
}

function run(command, args) {
  return execFileSync(command, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}
