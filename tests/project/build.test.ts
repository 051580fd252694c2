import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkFileLengths } from "../../scripts/lib/file-length.mjs";

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "punie-build-"));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A copy of the scripts alone, so that what they make lies in a directory of its own. */
function copyScripts(): void {
  cpSync("scripts", path.join(root, "scripts"), { recursive: true });
  cpSync("package.json", path.join(root, "package.json"));
}

/** Puts a program of this name before all others; gives the environment that finds it. */
function fakeProgram(name: string, script: string): NodeJS.ProcessEnv {
  const bin = path.join(root, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(path.join(bin, name), 0o755);
  return { ...process.env, PUNIE_MLX_PREFIX: "", PATH: `${bin}${path.delimiter}${process.env.PATH}` };
}

function fetchMlx(env: NodeJS.ProcessEnv): { status: number | null; stderr: string } {
  return spawnSync(process.execPath, ["scripts/fetch-mlx.mjs"], { cwd: root, env, encoding: "utf8" });
}

describe("fetching MLX", () => {
  it("refuses a file with another hash than the pinned one, and leaves nothing that counts as done", () => {
    copyScripts();
    // A pip that brings a wrong file without complaint.
    const env = fakeProgram(
      "python3",
      'while [ $# -gt 0 ]; do [ "$1" = --dest ] && echo wrong > "$2/mlx_cpu-0.32.4.whl"; shift; done',
    );
    const { status, stderr } = fetchMlx(env);
    expect(status).toBe(1);
    expect(stderr).toMatch(/brought no mlx-\w+ 0\.32\.4 with sha256 [0-9a-f]{64}/);
    expect(readdirSync(path.join(root, "build", "downloads"))).toEqual([]);
    expect(existsSync(path.join(root, "build", "native", "mlx"))).toBe(false);
  });

  it("says what to do when the download fails", () => {
    copyScripts();
    const { status, stderr } = fetchMlx(
      fakeProgram("python3", '[ "$3" = --version ] || { echo no network >&2; exit 1; }'),
    );
    expect(status).toBe(1);
    expect(stderr).toContain("no network");
    expect(stderr).toContain("Could not download mlx-");
    expect(stderr).toContain("Check the network");
  });

  it("does not take a half-unpacked tree for a finished one", () => {
    copyScripts();
    mkdirSync(path.join(root, "build", "native", "mlx", "lib"), { recursive: true });
    const { status, stderr } = fetchMlx(fakeProgram("python3", '[ "$3" = --version ] || exit 1'));
    expect(stderr).toContain("fetching MLX 0.32.4");
    expect(status).toBe(1);
  });

  it.each([
    ["is not there", () => undefined, /there is no MLX there/],
    ["is another version", writeOtherMlx, /MLX 0\.31\.0, expected exactly 0\.32\.4/],
  ])("refuses a PUNIE_MLX_PREFIX that %s", (_, prepare, message) => {
    copyScripts();
    const prefix = path.join(root, "installed");
    prepare(prefix);
    const { status, stderr } = fetchMlx({ ...process.env, PUNIE_MLX_PREFIX: prefix });
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
  });
});

function writeOtherMlx(prefix: string): void {
  const directory = path.join(prefix, "share", "cmake", "MLX");
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, "MLXConfigVersion.cmake"), 'set(PACKAGE_VERSION "0.31.0")\n');
}

describe("npm's install script", () => {
  it("does nothing when told so", () => {
    copyScripts();
    const env = { PUNIE_SKIP_BUILD: "1", PATH: "" };
    const { status, stderr } = spawnSync(process.execPath, ["scripts/install.mjs"], {
      cwd: root,
      env,
      encoding: "utf8",
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(existsSync(path.join(root, "build"))).toBe(false);
  });

  it("says why it fails and how to go on", () => {
    copyScripts();
    const env = { PATH: path.join(root, "nothing") };
    const { status, stderr } = spawnSync(process.execPath, ["scripts/install.mjs"], {
      cwd: root,
      env,
      encoding: "utf8",
    });
    expect(status).toBe(1);
    expect(stderr).toContain("punie's native addon could not be built");
    expect(stderr).toContain("PUNIE_SKIP_BUILD=1 npm install");
  });
});

describe("a build that is told to stop", () => {
  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s says so at once, takes its commands with it, and exits with %i", async (signal, expected) => {
    copyScripts();
    const script = `
      import { runLogged } from "./scripts/lib/run.mjs";
      import { runMain } from "./scripts/lib/report.mjs";
      setTimeout(() => process.kill(process.pid, "${signal}"), 200);
      await runMain(() => runLogged("build/log", "sleep", ["60"], { hint: "Nothing was built." }));`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: root });
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    const code = await new Promise((done) => child.on("close", done));
    expect({ code, stderr }).toEqual({ code: expected, stderr: "punie: stopping...\n\nInterrupted.\n" });
  });
});

describe("npm start", () => {
  it.each([
    ["--help", 0],
    ["--model", 2],
  ])("given %s says its usage, and exits with %i", (arg, expected) => {
    copyScripts();
    const { status, stderr } = spawnSync(process.execPath, ["scripts/start.mjs", arg], { cwd: root, encoding: "utf8" });
    expect(status).toBe(expected);
    expect(stderr).toMatch(/^Usage: npm start/);
    expect(existsSync(path.join(root, "build"))).toBe(false);
  });
});

describe("the build lock", () => {
  const run = (work: string) =>
    `import("${path.resolve("scripts/lib/lock.mjs")}").then((m) => m.withLock("test", async () => { ${work} }))`;

  it("is taken over from a process that is gone, and given back", () => {
    cpSync("scripts", path.join(root, "scripts"), { recursive: true });
    const script = run("console.log('ran')").replace(path.resolve("scripts"), path.join(root, "scripts"));
    const gone = spawnSync(process.execPath, ["-e", ""]).pid;
    mkdirSync(path.join(root, "build"));
    writeFileSync(path.join(root, "build", ".test.lock"), String(gone));
    expect(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })).toBe("ran\n");
    expect(readdirSync(path.join(root, "build"))).toEqual([]);
  });

  it("lets one process in at a time, also of those that find a dead one's lock", async () => {
    cpSync("scripts", path.join(root, "scripts"), { recursive: true });
    mkdirSync(path.join(root, "build"));
    writeFileSync(path.join(root, "build", ".test.lock"), String(spawnSync(process.execPath, ["-e", ""]).pid));
    const log = path.join(root, "log");
    const work = `const fs = require("node:fs"); fs.appendFileSync("${log}", "in "); await new Promise((r) => setTimeout(r, 50)); fs.appendFileSync("${log}", "out ");`;
    const script = run(work).replace(path.resolve("scripts"), path.join(root, "scripts"));
    const runs = [1, 2, 3].map(() => new Promise((done) => spawn(process.execPath, ["-e", script]).on("close", done)));
    expect(await Promise.all(runs)).toEqual([0, 0, 0]);
    expect(execFileSync("cat", [log], { encoding: "utf8" })).toBe("in out in out in out ");
  });
});

describe("the file length check", () => {
  it("warns past 400 lines and fails past 500, fixtures apart", () => {
    const write = (name: string, lines: number) => {
      mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
      writeFileSync(path.join(root, name), "x\n".repeat(lines));
    };
    write("src/short.ts", 400);
    write("src/long.ts", 401);
    write("native/longer.cc", 501);
    write("tests/fixtures/data.ts", 9999);
    write("src/notes.txt", 9999);
    expect(checkFileLengths(root)).toEqual({
      warnings: ["src/long.ts: 401 lines, more than 400"],
      errors: ["native/longer.cc: 501 lines, more than 500: split it by idea"],
    });
  });
});
