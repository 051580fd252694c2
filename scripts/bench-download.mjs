/**
 * npm run bench:download: a model fetched by punie, `hf download` and aria2c, this one without and with a check of what came, in turn, from one
 * server on loopback: machines are shared and drift. Each is a whole process, from start to exit. Prints medians and
 * ratios, and the most memory of each. `--help` has the options.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { paths } from "./lib/paths.mjs";

const USAGE = `npm run bench:download -- [options]

A model fetched by punie, hf download and aria2c, in turn, from one server on loopback: rates, memory and ratios.

  --python FILE     a Python that has huggingface_hub (python3); a program that isn't there is left out
  --gigabits N      what the server sends in a second, over all connections; 0: no limit (0)
  --files N         (4)
  --megabytes N     MiB of each file (512)
  --rounds N        (3)
  --dir DIR         where the files go (the system's directory for temporary files)
`;

const { values } = parseArgs({
  options: {
    help: { type: "boolean", default: false },
    python: { type: "string", default: "python3" },
    gigabits: { type: "string", default: "0" },
    files: { type: "string", default: "4" },
    megabytes: { type: "string", default: "512" },
    rounds: { type: "string", default: "3" },
    dir: { type: "string", default: os.tmpdir() },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const [fileCount, megabytes, rounds] = [values.files, values.megabytes, values.rounds].map(Number);
const CONNECTIONS = 8;
const NAME = "bench/model";

const server = spawn(
  process.execPath,
  [
    path.join(paths.root, "scripts", "bench", "download-server.mjs"),
    values.files,
    values.megabytes,
    String(Number(values.gigabits) * 1e9),
  ],
  { stdio: ["ignore", "pipe", "inherit"] },
);
const home = fs.mkdtempSync(path.join(values.dir, "punie-bench-"));
try {
  const [line] = await once(server.stdout, "data");
  await compare(String(line).trim());
} finally {
  server.kill();
  fs.rmSync(home, { recursive: true, force: true });
}

async function compare(endpoint) {
  // What it takes before a byte comes: the rest is what the transfer takes.
  const { peakBytes: baseBytes } = await measure(punie(endpoint, "--dry-run")(path.join(home, "nothing")));
  const hashes = await hashesOf(endpoint);
  const programs = {
    punie: punie(endpoint),
    hf: hf(endpoint),
    aria2c: aria2c(endpoint),
    "aria2c with SHA-256": aria2c(endpoint, hashes),
  };
  const runs = Object.fromEntries(Object.keys(programs).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, program] of Object.entries(programs)) {
      const target = path.join(home, name);
      const run = await measure(program(target));
      if (run !== undefined && bytesIn(target) < fileCount * megabytes * 2 ** 20)
        throw new Error(`${name}: not all came`);
      fs.rmSync(target, { recursive: true, force: true });
      if (run === undefined) delete programs[name];
      else runs[name].push(run);
    }
  }
  report(runs, baseBytes);
}

function report(runs, baseBytes) {
  const rate = (list) => (fileCount * megabytes * 2 ** 20) / 1e6 / median(list.map(({ seconds }) => seconds));
  const limit = Number(values.gigabits) > 0 ? `${values.gigabits} Gbit/s` : "no limit";
  process.stdout.write(`${fileCount} files of ${megabytes} MiB, ${limit}, medians of ${rounds} rounds\n`);
  for (const [name, list] of Object.entries(runs)) {
    if (list.length === 0) {
      process.stdout.write(`${name}: not there\n`);
      continue;
    }
    const ratio = name === "punie" ? "" : `, punie/${name} ${(rate(runs.punie) / rate(list)).toFixed(2)}`;
    const memory = median(list.map(({ peakBytes }) => peakBytes)) / 2 ** 20;
    const over = name === "punie" ? ` (${(memory - baseBytes / 2 ** 20).toFixed(0)} over that of --dry-run)` : "";
    process.stdout.write(
      `${name}: ${rate(list).toFixed(0)} MB/s, peak memory ${memory.toFixed(0)} MiB${over}${ratio}\n`,
    );
  }
}

function punie(endpoint, ...more) {
  const main = path.join(paths.dist, "cli", "main.js");
  return (target) => ({
    command: process.execPath,
    args: [main, "download-model", NAME, "--quiet", "--models-dir", target, ...more],
    env: { HF_ENDPOINT: endpoint, HOME: target },
  });
}

/** Without Xet, which a server on loopback doesn't have. */
function hf(endpoint) {
  return (target) => ({
    command: values.python,
    args: [
      "-m",
      "huggingface_hub.cli.hf",
      "download",
      NAME,
      "--quiet",
      "--local-dir",
      target,
      "--max-workers",
      String(CONNECTIONS),
    ],
    env: {
      HF_ENDPOINT: endpoint,
      HF_HOME: path.join(target, "home"),
      HF_HUB_DISABLE_XET: "1",
      HF_HUB_DISABLE_TELEMETRY: "1",
    },
  });
}

/** SHA-256 by file name. */
async function hashesOf(endpoint) {
  const tree = await (await fetch(`${endpoint}/api/models/${NAME}/tree/main`)).json();
  return new Map(tree.flatMap(({ path: name, lfs }) => (lfs ? [[name, lfs.oid]] : [])));
}

/** As many connections in all, spread over the files. With `hashes` it checks what it has fetched, as the others do. */
function aria2c(endpoint, hashes) {
  const split = String(Math.max(1, Math.floor(CONNECTIONS / fileCount)));
  const number = (n) => String(n).padStart(5, "0");
  const names = Array.from(
    { length: fileCount },
    (_, i) => `model-${number(i + 1)}-of-${number(fileCount)}.safetensors`,
  );
  const lines = names.map((name) => {
    const checksum = hashes ? `\n  checksum=sha-256=${hashes.get(name)}` : "";
    return `${endpoint}/${NAME}/resolve/main/${name}${checksum}\n`;
  });
  const list = path.join(home, hashes ? "checked.txt" : "list.txt");
  fs.writeFileSync(list, lines.join(""));
  const options = ["--quiet", "-j", String(fileCount), "-x", split, "-s", split, "--file-allocation=none"];
  return (target) => ({ command: "aria2c", args: [...options, "-d", target, "-i", list], env: {} });
}

/** Seconds and peak memory of a process; undefined when the program isn't there. */
async function measure({ command, args, env }) {
  const started = performance.now();
  const child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => {
    said += text;
  });
  let peakBytes = 0;
  const watch = setInterval(() => {
    peakBytes = Math.max(peakBytes, highWaterMark(child.pid));
  }, 20);
  try {
    const [code] = await once(child, "close");
    if (code !== 0 && /No module named/.test(said)) return undefined;
    if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exit code ${code}: ${said}`);
    return { seconds: (performance.now() - started) / 1000, peakBytes };
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  } finally {
    clearInterval(watch);
  }
}

/** Linux only: elsewhere memory is told as 0. Its own anonymous memory: the page cache is nobody's. */
function highWaterMark(pid) {
  try {
    const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kilobytes ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function bytesIn(directory) {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".safetensors"))
    .reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath ?? entry.path, entry.name)).size, 0);
}

function median(list) {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];
}
