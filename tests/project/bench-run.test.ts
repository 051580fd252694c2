import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseOptions } from "../../scripts/bench/options.mjs";
import { finished, untilWritten } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const SCRIPT = fileURLToPath(new URL("../../scripts/bench.mjs", import.meta.url));

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "punie-bench-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** `npm run bench` with a directory of its own. It is never let bring anything: tests use no network. */
function start(...args: string[]) {
  const child = spawn(process.execPath, [SCRIPT, "--dir", dir, "--no-install", ...args]);
  child.stdin.end();
  return child;
}

const bench = (...args: string[]) => finished(start(...args));

/** Each runs a dozen processes, some of them for seconds on a busy machine. */
const LIMIT = { timeout: 180_000 };

describe("npm run bench", LIMIT, () => {
  it("measures punie alone where no peer is, and says what is missing and how to bring it", async () => {
    const { stdout, exitCode } = await bench(
      ...[TINY_MODEL, "--rounds", "2", "--threads", "1", "--prompt-tokens", "32", "--generate-tokens", "8"],
      ...[
        "--context",
        "64",
        "--long-context",
        "2048",
        "--batch",
        "3",
        "--only",
        "load,first-token,decode,prompt,memory",
      ],
    );
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Missing: node-llama-cpp, .* Give it with: --gguf FILE/);
    expect(stdout).toMatch(/Missing: mlx-lm and gguf are not in \S+\. Bring them with: python3 -m venv .*mlx-lm==/);
    for (const measure of ["decode, tokens/s", "prompt, 32 tokens, tokens/s", "load, ms", "peak memory, MB"])
      expect(stdout).toMatch(
        new RegExp(`^\\| tiny-coder-4bit \\| ${measure} \\| [\\d.]+ \\([\\d.]+–[\\d.]+\\) \\|`, "m"),
      );
  });

  it("gives all of it as JSON", async () => {
    const only = ["--only", "decode,batch,context", "--batch", "3", "--context", "64", "--generate-tokens", "4"];
    const { stdout, exitCode } = await bench(TINY_MODEL, "--rounds", "1", "--json", ...only);
    expect(exitCode).toBe(0);
    const { machine, rows } = JSON.parse(stdout);
    expect(machine.threads).toBeGreaterThan(0);
    expect(rows.map(({ measure }: { measure: string }) => measure)).toEqual([
      "decode",
      "decode, share of memory bandwidth",
      "decode, 3 together",
      "decode after 64 tokens",
    ]);
  });

  it("says how to get the weights of a shape that it may not make", async () => {
    const { stdout, stderr, exitCode } = await bench("--shapes", "0.5b");
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 1 });
    expect(stderr).toMatch(/no weights of the shape 0\.5b in \S+models, which takes Python to make\.\nmlx-lm and gguf/);
  });

  it("says how to bring node-llama-cpp", async () => {
    // Nothing reads the file when nobody is there to read it.
    const { stdout, exitCode } = await bench(TINY_MODEL, "--gguf", SCRIPT, "--only", "load", "--rounds", "1");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/Missing: node-llama-cpp is not in \S+llama\. Bring it with: npm install .*node-llama-cpp@/);
  });

  it("says when punie's kernels are not the ones asked for", async () => {
    const { stdout } = await bench(TINY_MODEL, "--only", "load", "--rounds", "1", "--kernels", "portable");
    const used = /^punie: its kernels for (\w+)\.$/m.exec(stdout)?.[1];
    expect(stdout.includes("kernels for portable are not in use")).toBe(used !== "portable");
  });

  it("prints what it has when Ctrl-C ends it", async () => {
    const child = start(TINY_MODEL, "--only", "load", "--rounds", "1000");
    const ended = finished(child);
    await untilWritten(child, /round 3 of 1000/);
    child.kill("SIGINT");
    const { stdout, exitCode } = await ended;
    expect(exitCode).toBe(130);
    expect(stdout).toContain("Missing: all that comes after the interruption");
    expect(stdout).toMatch(/^\| tiny-coder-4bit \| load, ms \| [\d.]+ \(/m);
  });

  it("says what is wrong with a measured command", async () => {
    const { stderr, exitCode } = await bench(TINY_MODEL, "--only", "load", "--wrap", "false");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("failed (1)");
  });
});

describe("its options", () => {
  it.each([
    [["--only", "speed"], /--only: not one of load, .*'speed'/],
    [["--shapes", "0.5b,70b"], /--shapes: .*'70b'/],
    [["--rounds", "0"], /--rounds: expected an integer, 1 or more/],
    [["--kernels", "sse"], /--kernels: not one of amx, avx512, avx2, neon, portable/],
    [["--fast"], /--fast/],
    [["--gguf", "a.gguf"], /--gguf needs a MODEL_DIRECTORY/],
    [["a", "b"], /One model directory at most/],
  ])("refuse %j as wrong usage", (args, message) => {
    expect(() => parseOptions(args)).toThrow(message);
    expect(() => parseOptions(args)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });

  it("have everything measured by default, on three shapes", () => {
    const { shapes, only, rounds, wrap, install } = parseOptions([]);
    expect({ shapes, rounds, wrap, install }).toEqual({
      shapes: ["0.5b", "1.5b", "3b"],
      rounds: 3,
      wrap: [],
      install: true,
    });
    expect(only).toHaveLength(8);
  });

  it("split a wrapping command at its spaces", () => {
    expect(parseOptions(["--wrap", "taskset -c 0"]).wrap).toEqual(["taskset", "-c", "0"]);
  });
});
