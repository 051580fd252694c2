import { spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";

/** Prints the URL of every module as it is loaded. */
const HOOKS = "export async function load(url, context, next) { process._rawDebug(url); return next(url, context); }";
const REGISTER = `import { register } from "node:module"; register("data:text/javascript,${encodeURIComponent(HOOKS)}");`;

/** The packages that a program loads, each once. */
function packagesOf(program: string, ...args: string[]): string[] {
  const preload = `data:text/javascript,${encodeURIComponent(REGISTER)}`;
  const { status, stderr } = spawnSync(process.execPath, ["--import", preload, program, ...args], { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  const names = stderr.matchAll(/^file:.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//gm);
  return [...new Set(Array.from(names, ([, name]) => name as string))].sort();
}

describe("at start-up no package is loaded before it is needed:", () => {
  it("by importing punie, none", () => {
    expect(
      packagesOf("--input-type=module", "-e", `import ${JSON.stringify(pathToFileURL(path.resolve("dist/index.js")))}`),
    ).toEqual([]);
  });

  it("by `punie --version`, only the command line", () => {
    expect(packagesOf("dist/cli/main.js", "--version")).toEqual(["commander"]);
  });

  it("by `punie models list`, neither the network's nor the server's", () => {
    expect(packagesOf("dist/cli/main.js", "models", "list", "--models-dir", "tests/fixtures")).toEqual(["commander"]);
  });
});
