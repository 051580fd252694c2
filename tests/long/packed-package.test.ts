import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packPackage, programThatAnswers, REQUIRE_LINE, TASK, UserMachine } from "../helpers/installed-package.js";

const NO_SOCKETS = path.resolve("tests/helpers/no-sockets.cjs");
const ANSWERED = { status: 0, stdout: `${TASK.text}\n`, stderr: "" };

let packed: string;
let tarball: string;
let user: UserMachine;

beforeAll(() => {
  packed = mkdtempSync(path.join(tmpdir(), "punie-packed-"));
  tarball = packPackage(packed);
  user = new UserMachine({ "a.mjs": programThatAnswers(), "a.cjs": programThatAnswers(REQUIRE_LINE) });
  user.install(tarball);
}, 1_800_000);

afterAll(() => {
  user?.remove();
  rmSync(packed, { recursive: true, force: true });
});

describe("the packed package, installed with npm and Node alone", () => {
  it("brings nothing that only a build needs", () => {
    const modules = readdirSync(path.join(user.app, "node_modules"));
    for (const name of ["cmake-js", "node-addon-api", "node-api-headers", "prebuildify", "typescript", "node-gyp"])
      expect(modules).not.toContain(name);
    expect(existsSync(path.join(user.package, "build"))).toBe(false);
  });

  it("answers by the command, by import and by require", () => {
    const args = ["generate", "--model", "./model", "--device", "cpu", "--prompt-ids", TASK.promptIds.join(",")];
    expect(user.run(path.join(user.app, "node_modules", ".bin", "punie"), args)).toEqual(ANSWERED);
    expect(user.run("node", ["a.mjs"])).toEqual(ANSWERED);
    const { status, stdout } = user.run("node", ["a.cjs"]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: ANSWERED.stdout });
  });

  it("answers by npx, as the README has it", () => {
    const { status, stdout, stderr } = user.npm([
      "exec",
      "--",
      "punie",
      "generate",
      "--model",
      "./model",
      "--prompt",
      "hi",
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.length).toBeGreaterThan(1);
  });

  it("has an install script that opens no socket and changes nothing", () => {
    const before = readdirSync(user.package, { recursive: true }).sort();
    const result = user.run("node", ["--require", NO_SOCKETS, path.join(user.package, "scripts", "install.mjs")]);
    expect(result).toEqual({ status: 0, stdout: "", stderr: "" });
    expect(readdirSync(user.package, { recursive: true }).sort()).toEqual(before);
  });

  it("needs no install script", () => {
    const other = new UserMachine({ "a.mjs": programThatAnswers() });
    try {
      const cache = { npm_config_cache: path.join(user.root, "npm-cache") };
      expect(other.npm(["install", "--ignore-scripts", tarball], cache).status).toBe(0);
      expect(other.run("node", ["a.mjs"])).toEqual(ANSWERED);
    } finally {
      other.remove();
    }
  });
});

describe("without an addon for the platform", () => {
  const prebuilds = () => path.join(user.package, "prebuilds");

  beforeAll(() => renameSync(prebuilds(), `${prebuilds()}.away`));
  afterAll(() => {
    rmSync(path.join(user.package, "build"), { recursive: true, force: true });
    renameSync(`${prebuilds()}.away`, prebuilds());
  });

  it("loading says where it was looked for and what to do", () => {
    const { status, stderr } = user.run("node", ["a.mjs"]);
    expect(status).toBe(1);
    expect(stderr).toContain("NATIVE_UNAVAILABLE");
    expect(stderr).toContain(
      `${path.join(prebuilds(), `${process.platform}-${process.arch}`, "punie.node")}: not there`,
    );
    expect(stderr).toContain(`npm run build\` in ${user.package}`);
  });

  it("an installation names all that a build needs", () => {
    const { status, stderr } = user.npm(["rebuild", "punie", "--foreground-scripts"]);
    expect(status).not.toBe(0);
    for (const part of ["there is no prebuilt addon", "cmake", "C++20 compiler", "Python 3", "Install them with"])
      expect(stderr).toContain(part);
  });

  it("an installation builds it, where CMake, a compiler and Python are there", () => {
    const { PATH } = process.env;
    const { status, stderr } = user.npm(["rebuild", "punie", "--foreground-scripts"], {
      PATH,
      // What this checkout has downloaded, so that the wheel is not fetched again.
      PUNIE_DOWNLOADS: path.resolve("build", "downloads"),
    });
    expect(stderr).toContain("fetching cmake-js, node-addon-api, node-api-headers");
    expect(stderr).toMatch(/built build\/native\/punie\.node in \d+ s/);
    expect(status).toBe(0);
    expect(user.run("node", ["a.mjs"])).toEqual(ANSWERED);
  });
});

it("a directory that is moved away from everything loads its own libraries", () => {
  const elsewhere = mkdtempSync(path.join(tmpdir(), "punie-moved-"));
  try {
    const script = `import { provePrebuilt } from "./scripts/lib/prove-prebuilt.mjs"; import { paths } from "./scripts/lib/paths.mjs";
      console.log(provePrebuilt(paths.prebuild, process.argv[1]));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, elsewhere], {
      encoding: "utf8",
    });
    expect({ stdout, stderr }).toEqual({ stdout: `${TASK.text}\n`, stderr: "" });
  } finally {
    rmSync(elsewhere, { recursive: true });
  }
});
