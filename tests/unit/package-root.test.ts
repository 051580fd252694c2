import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findPackageRoot, packageFile, realFile } from "../../src/package-root.js";

let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), "punie-root-")));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function addPackage(directory: string, name: string): string {
  mkdirSync(directory, { recursive: true });
  writeFileSync(path.join(directory, "package.json"), JSON.stringify({ name, version: "1.0.0" }));
  return path.join(directory, path.sep);
}

const rootSeenFrom = (...file: string[]) => findPackageRoot(pathToFileURL(path.join(root, ...file)).href);

describe("the package's root", () => {
  it("is above dist, and above src in a checkout", () => {
    expect(packageFile("package.json")).toBe(path.resolve("package.json"));
    const own = addPackage(path.join(root, "punie"), "punie");
    expect(rootSeenFrom("punie", "dist", "package-root.js")).toBe(own);
  });

  it("is the installed package's for a bundle in an application", () => {
    addPackage(root, "application");
    const installed = addPackage(path.join(root, "node_modules", "punie"), "punie");
    expect(rootSeenFrom("dist", "bundle.js")).toBe(installed);
    expect(rootSeenFrom("dist", "server", "chunks", "bundle.js")).toBe(installed);
  });

  it("is where the running program finds it when a bundle's own path is of another machine", () => {
    const installed = addPackage(path.join(root, "node_modules", "punie"), "punie");
    const [, program] = process.argv;
    process.argv[1] = path.join(root, "dist", "main.js");
    try {
      expect(findPackageRoot("file:///builder/node_modules/punie/dist/package-root.js")).toBe(installed);
    } finally {
      process.argv[1] = program as string;
    }
  });
});

describe("a file in Electron's archive", () => {
  const packed = "/opt/app/resources/app.asar/node_modules/punie/prebuilds/linux-x64/punie.node";
  const unpacked = packed.replace("app.asar", "app.asar.unpacked");

  it("is the unpacked one where there is one", () => {
    expect(realFile(packed, (file) => file === unpacked)).toBe(unpacked);
    expect(realFile("C:\\app\\app.asar\\punie.node", () => true)).toBe("C:\\app\\app.asar.unpacked\\punie.node");
  });

  it("is itself where nothing was unpacked, or it is unpacked already, or there is no archive", () => {
    expect(realFile(packed, () => false)).toBe(packed);
    expect(realFile(unpacked, () => true)).toBe(unpacked);
    expect(realFile("/opt/my.asarapp/punie.node", () => true)).toBe("/opt/my.asarapp/punie.node");
  });
});
