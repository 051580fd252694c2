import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { llamaPeer } from "../../scripts/bench/peers.mjs";

const platform = process.platform === "darwin" ? `mac-${process.arch}-metal` : `${process.platform}-${process.arch}`;

let dir: string;
let modules: string;
let bins: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), "punie-peers-"));
  modules = path.join(dir, "given", "node_modules");
  bins = path.join("@node-llama-cpp", platform, "bins", platform);
  for (const place of ["node-llama-cpp", "helper", bins]) mkdirSync(path.join(modules, place), { recursive: true });
  writeFileSync(path.join(modules, "node-llama-cpp", "package.json"), '{ "version": "1.2.3" }');
  for (const name of ["libggml-cpu-haswell.so", "libggml-cpu-zen4.so", "libllama.so"])
    writeFileSync(path.join(modules, bins, name), "");
});
afterEach(() => rmSync(dir, { recursive: true }));

const peer = (variant?: string) => llamaPeer({ dir, llama: path.join(dir, "given"), install: false, variant });

describe("node-llama-cpp for a benchmark", () => {
  it("is used where it lies", async () => {
    expect(await peer()).toEqual({ directory: path.join(dir, "given"), version: "1.2.3" });
  });

  it("is copied with the one processor build that was asked for, and left whole where it lies", async () => {
    const { directory, version } = await peer("haswell");
    expect(version).toBe("1.2.3");
    const copy = path.join(directory as string, "node_modules");
    expect(readdirSync(path.join(copy, bins)).sort()).toEqual(["libggml-cpu-haswell.so", "libllama.so"]);
    expect(existsSync(path.join(copy, "helper"))).toBe(true);
    expect(readdirSync(path.join(modules, bins))).toHaveLength(3);
  });

  it("is refused for a build that it does not have, naming those that it has", async () => {
    await expect(peer("itanium")).rejects.toThrow("no build 'itanium' here, but haswell, zen4.");
    expect(readdirSync(dir)).toEqual(["given"]);
  });

  it("is missed in a directory without it, with the command that brings it", async () => {
    const { missing } = await llamaPeer({ dir, llama: path.join(dir, "empty"), install: true });
    expect(missing).toMatch(/node-llama-cpp is not in \S+empty\. Bring it with: npm install --prefix \S+empty /);
  });
});
