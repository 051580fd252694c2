/**
 * npm run bench: punie beside node-llama-cpp and mlx-lm on the CPU, the whole table in one run. Each measurement is a
 * process of its own; sides run in turn, several rounds; printed are medians and their ratios. `--help` has the options.
 */
import os from "node:os";
import { measure, mlxLmTokens } from "./bench/measure.mjs";
import { benchModels } from "./bench/models.mjs";
import { parseOptions, USAGE } from "./bench/options.mjs";
import { llamaPeer, pythonPeer } from "./bench/peers.mjs";
import { bandwidths, rowsOf } from "./bench/rows.mjs";
import { bandwidthProgram, jobRunner } from "./bench/run-job.mjs";
import { markdownTable } from "./bench/table.mjs";
import { prepare } from "./lib/prepare.mjs";
import { progress, runMain } from "./lib/report.mjs";

const NO_GGUF = "node-llama-cpp, which needs the same weights as a GGUF file. Give it with: --gguf FILE";

await runMain(async () => {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) return void process.stdout.write(USAGE);
  await prepare();
  // For this process too, so that it says which ones the jobs will use.
  if (options.kernels) process.env.PUNIE_CPU_KERNELS = options.kernels;
  const { loadBinding } = await import("../dist/native/binding.js");
  const { cores, cpuKernels } = loadBinding().info();
  const threads = options.threads ?? cores;
  const python = await pythonPeer(options);
  const models = await benchModels(options, python);
  const llama = options.model && !options.gguf ? { missing: NO_GGUF } : await llamaPeer(options);
  const bandwidth = bandwidthProgram(options.dir);
  const missing = [llama.missing, python.missing].filter(Boolean);
  if (!bandwidth) missing.push("no C++ compiler: only punie's own measure of the memory's bandwidth is there.");
  if (options.kernels && options.kernels !== cpuKernels)
    missing.push(`punie's kernels for ${options.kernels} are not in use, but those for ${cpuKernels}.`);
  for (const line of missing) progress(line);

  const run = jobRunner(options);
  const signal = interruptible();
  const measured = await measure({ models, options, run, threads, llama, python, bandwidth, signal, say: progress });
  const rows = rowsOf(models, measured, options);
  const { variant, flashAttention } = measured.peer;
  const report = {
    machine: { cpu: os.cpus()[0]?.model ?? os.arch(), threads, node: process.version },
    rounds: options.rounds,
    kernels: cpuKernels,
    peers: {
      "node-llama-cpp": { version: llama.version, variant, flashAttention },
      "mlx-lm": { version: python.version, ...mlxLmTokens(options) },
    },
    memoryBandwidthBytesPerSecond: bandwidths(measured),
    missing: [...missing, ...measured.failures],
    rows,
  };
  process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : reportText(report));
});

function reportText({ machine, rounds, kernels, peers, memoryBandwidthBytesPerSecond: bandwidth, missing, rows }) {
  const { version, variant, flashAttention } = peers["node-llama-cpp"];
  const on = Object.entries(flashAttention)
    .filter(([, value]) => value)
    .map(([kind]) => kind);
  const lines = [
    `${machine.cpu}, ${machine.threads} threads on every side, Node ${machine.node}; medians of ${rounds} rounds (least–most).`,
    `punie: its kernels for ${kernels}.`,
  ];
  if (version) {
    const attention = on.length > 0 ? `on for ${on.join(", ")}` : "off";
    lines.push(`node-llama-cpp ${version}: its build for ${variant || "this system"}, flash attention ${attention}.`);
  }
  const mlxLm = peers["mlx-lm"];
  if (mlxLm.version)
    lines.push(
      `mlx-lm ${mlxLm.version}, as it comes: ${mlxLm.promptTokens} tokens of prompt and ${mlxLm.generateTokens} after the first.`,
    );
  const names = { punie: "punie", separateProgram: "a separate program" };
  const measured = Object.entries(bandwidth).map(
    ([by, { median }]) => `${(median / 1e9).toFixed(1)} GB/s by ${names[by]}`,
  );
  if (measured.length > 0) lines.push(`Memory is read at ${measured.join(", ")}.`);
  lines.push(...missing.map((line) => `Missing: ${line}`));
  return `${lines.join("\n")}\n\n${markdownTable(rows)}`;
}

/** Half an hour's figures are not thrown away: told to stop, the run ends early and prints what it has. */
function interruptible() {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      progress("ending after this measurement; a second time ends at once.");
      process.exitCode = 128 + os.constants.signals[signal];
      stop.abort();
    });
  }
  return stop.signal;
}
