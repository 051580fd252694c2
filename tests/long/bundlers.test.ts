import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ended, packPackage, programThatAnswers, TASK, UserMachine } from "../helpers/installed-package.js";
import { npmTools } from "../helpers/npm-tools.js";

let packed: string;
let user: UserMachine;

beforeAll(() => {
  packed = mkdtempSync(path.join(tmpdir(), "punie-packed-"));
  user = new UserMachine({ "src/main.mjs": programThatAnswers() });
  user.install(packPackage(packed));
}, 1_800_000);

afterAll(() => {
  user?.remove();
  rmSync(packed, { recursive: true, force: true });
});

const tools = npmTools("bundlers", { esbuild: "0.28.2", webpack: "5.112.2" });
const load = createRequire(path.join(tools, "x.js"));

type Bundle = (entry: string, outfile: string) => Promise<void>;

const esbuild =
  (options: object): Bundle =>
  async (entry, outfile) => {
    const { build } = load("esbuild") as { build: (options: object) => Promise<unknown> };
    const usual = { bundle: true, platform: "node", target: "node20", logLevel: "error" };
    await build({ entryPoints: [entry], outfile, ...usual, ...options });
  };

const vite =
  (ssr: object): Bundle =>
  async (entry, outfile) => {
    const { build } = await import("vite");
    const output = { entryFileNames: path.basename(outfile) };
    await build({
      root: user.app,
      logLevel: "error",
      ssr,
      build: { ssr: entry, outDir: path.dirname(outfile), emptyOutDir: false, rollupOptions: { output } },
    });
  };

interface Stats {
  hasErrors(): boolean;
  toString(what: string): string;
}

const webpack =
  (options: object): Bundle =>
  (entry, outfile) =>
    new Promise((resolve, reject) => {
      const run = load("webpack") as (options: object, done: (error: Error | null, stats: Stats) => void) => void;
      const output = { path: path.dirname(outfile), filename: path.basename(outfile) };
      const usual = { mode: "production", target: "node20", context: user.app };
      run({ entry, output, ...usual, ...options }, (error, stats) => {
        if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString("errors-only")));
        else resolve();
      });
    });

/** esbuild's own advice for packages in CommonJS that become part of an ES module. */
const REQUIRE_FOR_ESM = {
  js: "import { createRequire as requireFor } from 'node:module'; const require = requireFor(import.meta.url);",
};
const webpackModule = { experiments: { outputModule: true }, externalsType: "module" };

const bundled: string[] = [];

function answerOf(cwd: string, outfile: string): Ended {
  const { status, stdout, stderr } = user.run("node", [outfile], {}, cwd);
  // Node 20 says of require() of an ES module that it is experimental.
  return { status, stdout, stderr: stderr.replace(/.*ExperimentalWarning.*\n.*trace-warnings.*\n/, "") };
}

describe("an application bundled", () => {
  it.each<[string, string, Bundle]>([
    ["by esbuild, punie external", "mjs", esbuild({ format: "esm", external: ["punie"] })],
    ["by esbuild, punie external, as CommonJS", "cjs", esbuild({ format: "cjs", external: ["punie"] })],
    ["by esbuild, punie inside", "mjs", esbuild({ format: "esm", banner: REQUIRE_FOR_ESM })],
    [
      "by esbuild, punie inside, as CommonJS",
      "cjs",
      esbuild({ format: "cjs", logOverride: { "empty-import-meta": "silent" } }),
    ],
    ["by Vite for SSR", "mjs", vite({})],
    ["by Vite for SSR, punie inside", "mjs", vite({ noExternal: true })],
    ["by webpack, punie external", "mjs", webpack({ ...webpackModule, externals: ["punie"] })],
    ["by webpack, punie external, as CommonJS", "cjs", webpack({ externals: { punie: "commonjs punie" } })],
    ["by webpack, punie inside", "cjs", webpack({})],
  ])("%s, answers", async (name, extension, bundle) => {
    const outfile = path.join("dist", `${name.replace(/\W+/g, "-")}.${extension}`);
    await bundle(path.join(user.app, "src", "main.mjs"), path.join(user.app, outfile));
    expect(answerOf(user.app, outfile)).toEqual({ status: 0, stdout: `${TASK.text}\n`, stderr: "" });
    bundled.push(outfile);
  });

  it("and then moved to another directory, answers there", () => {
    expect(bundled).not.toEqual([]);
    const deployed = `${user.app}-deployed`;
    renameSync(user.app, deployed);
    try {
      for (const outfile of bundled)
        expect({ outfile, ...answerOf(deployed, outfile) }).toMatchObject({
          outfile,
          status: 0,
          stdout: `${TASK.text}\n`,
        });
    } finally {
      renameSync(deployed, user.app);
    }
  });

  it("without its package says that it has to be beside the bundle", async () => {
    const outfile = path.join(user.app, "dist", "alone.mjs");
    await esbuild({ format: "esm", banner: REQUIRE_FOR_ESM })(path.join(user.app, "src", "main.mjs"), outfile);
    renameSync(user.package, `${user.package}.away`);
    try {
      const { status, stderr } = user.run("node", [outfile]);
      expect(status).toBe(1);
      expect(stderr).toContain("NATIVE_UNAVAILABLE");
      expect(stderr).toContain("a bundler: keep punie external, or its package beside the bundle");
    } finally {
      renameSync(`${user.package}.away`, user.package);
    }
  });
});
