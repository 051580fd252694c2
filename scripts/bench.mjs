/**
 * npm run bench: punie beside node-llama-cpp and mlx-lm on the CPU, the whole table in one run. Each measurement is a
 * process of its own; sides run in turn, several rounds; printed are medians and their ratios. `--help` has the options.
 */
import os from "node:os";
import { measure } from "./bench/measure.mjs";
import { benchModels } from "./bench/models.mjs";
import { parseOptions, USAGE } from "./bench/options.mjs";
import { llamaPeer, pythonPeer } from "./bench/peers.mjs";
import { rowsOf } from "./bench/rows.mjs";
import { bandwidthProgram, jobRunner } from "./bench/run-job.mjs";
import { markdownTable } from "./bench/table.mjs";
import { prepare } from "./lib/prepare.mjs";
import { progress, runMain } from "./lib/report.mjs";

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return void process.stdout.write(USAGE);
  await prepare();
  const { loadBinding } = await import("../dist/native/binding.js");
  const threads = options.threads ?? loadBinding().info().cores;
  const python = await pythonPeer(options);
  const models = await benchModels(options, python);
  // For a model of the user's there is no GGUF file of the same weights.
  const llama = options.model ? {} : await llamaPeer(options);
  const bandwidth = bandwidthProgram(options.dir);
  const missing = [llama.missing, python.missing].filter(Boolean);
  if (!bandwidth)
    missing.push("No C++ compiler was found: only punie's own measure of the memory's bandwidth is there.");
  for (const line of missing) progress(line);

  const run = jobRunner(options);
  const measured = await measure({ models, options, run, threads, llama, python, bandwidth, say: progress });
  const rows = rowsOf(models, measured, options);
  const { variant, flashAttention } = measured.peer;
  const report = {
    machine: { cpu: os.cpus()[0]?.model ?? os.arch(), threads, node: process.version },
    rounds: options.rounds,
    kernels: options.kernels ?? "punie's own choice",
    peers: {
      "node-llama-cpp": { version: llama.version, variant, flashAttention },
      "mlx-lm": { version: python.version },
    },
    missing: [...missing, ...measured.failures],
    rows,
  };
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
});

function reportText({ machine, rounds, kernels, peers, missing, rows }) {
  const { version, variant, flashAttention } = peers["node-llama-cpp"];
  const on = Object.entries(flashAttention)
    .filter(([, value]) => value)
    .map(([kind]) => kind);
  const lines = [
    `${machine.cpu}, ${machine.threads} threads on every side, Node ${machine.node}; medians of ${rounds} rounds (least–most).`,
    `punie: kernels of ${kernels}.`,
  ];
  if (version) {
    const attention = on.length > 0 ? `on for ${on.join(", ")}` : "off";
    lines.push(`node-llama-cpp ${version}: its build for ${variant || "this system"}, flash attention ${attention}.`);
  }
  if (peers["mlx-lm"].version) lines.push(`mlx-lm ${peers["mlx-lm"].version}, as it comes.`);
  lines.push(...missing.map((line) => `Missing: ${line}`));
  return `${lines.join("\n")}\n\n${markdownTable(rows)}`;
}
