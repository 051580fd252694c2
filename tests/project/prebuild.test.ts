import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BACKENDS, backendHere, packageName, prebuildName, wheelOf } from "../../scripts/lib/backends.mjs";
import { BASELINE, examineElf, missingSymbols } from "../../scripts/lib/elf.mjs";
import { isHookOf } from "../../scripts/lib/npm-hook.mjs";
import { addonPlaces } from "../../src/native/addon-places.js";

const readJson = (file: string) => JSON.parse(readFileSync(file, "utf8"));

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "punie-prebuild-test-"));
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

describe("npm's scripts named prebuild and build", () => {
  it.each([
    [true, "npm run build", ["sh -c node scripts/prebuild.mjs", "npm run build"]],
    [true, "npm run-script build --silent", ["sh -c x", "npm run-script build --silent"]],
    [true, "npm's own file", ["node /usr/lib/node_modules/npm/bin/npm-cli.js run build"]],
    [true, "yarn build", ["node /usr/bin/yarn build"]],
    [false, "npm run prebuild", ["sh -c node scripts/prebuild.mjs", "npm run prebuild"]],
    [false, "npm run prebuild, run by a build", ["npm run prebuild", "sh -c x", "npm run build"]],
    [false, "npm run build:ts", ["npm run build:ts"]],
    [false, "npm pack", ["sh -c x", "npm pack"]],
    [false, "no package manager", ["bash", "/sbin/init"]],
  ])("say %s, that this is a hook of build, for %s", (expected, _, commandLines) => {
    expect(isHookOf("build", commandLines)).toBe(expected);
  });

  it("are told apart under the real npm", () => {
    const scripts = { prebuild: "node hook.mjs", build: "node -v" };
    writeFileSync(path.join(root, "package.json"), JSON.stringify({ name: "x", version: "1.0.0", scripts }));
    const module = path.resolve("scripts/lib/npm-hook.mjs");
    writeFileSync(path.join(root, "hook.mjs"), `import { isHookOf } from "${module}"; console.log(isHookOf("build"));`);
    const run = (script: string) =>
      spawnSync("npm", ["run", "--silent", script], { cwd: root, encoding: "utf8" }).stdout.split("\n")[0];
    expect({ build: run("build"), prebuild: run("prebuild") }).toEqual({ build: "true", prebuild: "false" });
  });
});

describe("backends", () => {
  it("are named as the loader looks for them", () => {
    for (const backend of BACKENDS) {
      const name = packageName(backend);
      const looked = addonPlaces({
        root: "/package",
        platform: backend.platform,
        arch: backend.arch,
        version: "1.0.0",
        musl: () => false,
        exists: () => true,
        findPackage: (wanted) => (wanted === name ? { directory: "/found", version: "1.0.0" } : undefined),
      }).map((place) => place.directory);
      expect(looked).toContain("/found");
      expect(looked).toContain(path.join("/package", "prebuilds", prebuildName(backend)));
    }
  });

  it("that the platform does not have are refused, with those that it has", () => {
    expect(() => backendHere("cuda12", { platform: "darwin", arch: "arm64" })).toThrow(
      "There is no backend 'cuda12' for darwin-arm64. Known: metal.",
    );
    expect(backendHere(undefined, { platform: "linux", arch: "x64" }).backend).toBe("cpu");
  });

  it("take MLX from a wheel pinned by hash", () => {
    for (const backend of BACKENDS)
      expect(wheelOf(backend, "24.0.0").sha256, backend.backend).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe.runIf(process.platform === "linux")("what is prebuilt for Linux", () => {
  it("asks for no newer system than the baseline, and looks for its libraries in itself", () => {
    const directory = path.join(root, "built");
    mkdirSync(directory);
    for (const name of ["punie.node", "mlx/lib/libmlx.so", "mlx_cpu.libs"])
      cpSync(path.join("build", "native", name), path.join(directory, name), { recursive: true });
    const { newest, problems } = examineElf(directory);
    expect(problems).toEqual([]);
    expect(newest.GLIBC.split(".").map(Number)).toEqual([2, expect.toSatisfy((minor: number) => minor <= 35)]);
  });

  it("is compared, symbol by symbol, with the MLX of another backend", () => {
    const addon = path.join("build", "native", "punie.node");
    const library = path.join("build", "native", "mlx", "lib", "libmlx.so");
    expect(missingSymbols({ addon, library, other: library })).toEqual([]);
    // A library that has none of MLX's.
    const missing = missingSymbols({ addon, library, other: addon });
    expect(missing.length).toBeGreaterThan(20);
    expect(missing.every((symbol) => symbol.includes("mlx"))).toBe(true);
  });

  it("is refused with a path of the machine that built it, or a symbol newer than the baseline", () => {
    writeFileSync(path.join(root, "a.cc"), '#include <cstdio>\nint a() { return std::puts("a"); }\n');
    const args = ["-shared", "-fPIC", "-Wl,-rpath,/opt/mlx/lib", "-o", "liba.so", "a.cc"];
    expect(spawnSync("c++", args, { cwd: root }).status).toBe(0);
    expect(examineElf(root).problems).toEqual([
      "liba.so looks for libraries in /opt/mlx/lib, which is no place of its own",
    ]);
    const older = { ...BASELINE, GLIBC: [2, 1] };
    expect(examineElf(root, older).problems).toContainEqual(
      expect.stringMatching(/^liba\.so needs GLIBC_[\d.]+; the baseline is 2\.1$/),
    );
  });
});

describe("the packages that a build from source fetches", () => {
  it("are those that a checkout builds with", () => {
    const { dependencies } = readJson("scripts/build-tools/package.json");
    const { packages } = readJson("package-lock.json");
    for (const [name, version] of Object.entries(dependencies))
      expect(packages[`node_modules/${name}`].version, name).toBe(version);
  });

  it("are not dependencies of the package", () => {
    const { dependencies } = readJson("package.json");
    for (const name of Object.keys(readJson("scripts/build-tools/package.json").dependencies))
      expect(dependencies).not.toHaveProperty(name);
  });
});
