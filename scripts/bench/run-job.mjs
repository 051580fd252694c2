/** Runs one measurement in a process of its own and reads the JSON that it answers with. */
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { paths } from "../lib/paths.mjs";
import { output } from "../lib/run.mjs";

const jobs = path.join(paths.root, "scripts", "bench", "jobs");
const KEPT_LINES = 5;

/** @param {{ wrap: string[] }} options */
export function jobRunner({ wrap }) {
  const run = (command, args) => answerOf([...wrap, command, ...args]);
  return {
    punie: (job) => run(process.execPath, [path.join(jobs, "punie.mjs"), JSON.stringify(job)]),
    /** `punie benchmark`, as a user calls it. */
    punieBenchmark: (args) => run(process.execPath, [path.join(paths.dist, "cli", "main.js"), "benchmark", ...args]),
    llama: (job) => run(process.execPath, [path.join(jobs, "llama-cpp.mjs"), JSON.stringify(job)]),
    mlxLm: (python, job) => run(python, [path.join(jobs, "mlx-lm.py"), JSON.stringify(job)]),
    bandwidth: (program, threads) => run(program, [String(threads)]),
  };
}

/** The program that measures the memory's bandwidth, or undefined without a compiler. */
export function bandwidthProgram(dir) {
  const program = path.join(dir, "bandwidth");
  const source = path.join(jobs, "bandwidth.cpp");
  fs.mkdirSync(dir, { recursive: true });
  const native = os.arch() === "x64" ? ["-march=native"] : [];
  const args = ["-O3", ...native, "-std=c++17", "-pthread", source, "-o", program];
  return output(process.env.CXX ?? "c++", args) === undefined ? undefined : program;
}

function answerOf([command, ...args]) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: paths.root, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const result = code === 0 ? parsed(stdout) : undefined;
      if (result !== undefined) return resolve(result);
      const said = stderr.trim().split("\n").slice(-KEPT_LINES).join("\n");
      reject(new Error(`${path.basename(args[0] ?? command)} failed (${code ?? signal}): ${said}`));
    });
  });
}

/** The JSON on stdout: all of it, or its last line where a library said something before. */
function parsed(stdout) {
  for (const text of [stdout, stdout.trim().split("\n").at(-1)]) {
    try {
      return JSON.parse(text);
    } catch {
      // The caller tells what the process said.
    }
  }
  return undefined;
}
