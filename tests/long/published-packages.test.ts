import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BACKENDS, packageName } from "../../scripts/lib/backends.mjs";
import { type FakeRegistry, fakeRegistry, type Published } from "../helpers/fake-registry.js";
import { programThatAnswers, TASK, UserMachine } from "../helpers/installed-package.js";

const HERE = `@punie/${process.platform}-${process.arch}-${process.platform === "darwin" ? "metal" : "cpu"}`;
const PACKAGES = path.resolve("packages");

let registry: FakeRegistry;
let user: UserMachine;

function readManifest(directory: string) {
  return JSON.parse(readFileSync(path.join(PACKAGES, directory, "package.json"), "utf8"));
}

beforeAll(async () => {
  execFileSync("npm", ["run", "make-packages"], { stdio: "pipe" });
  const version = readManifest("punie").version;
  const made: Published[] = readdirSync(PACKAGES)
    .filter((name) => statSync(path.join(PACKAGES, name)).isDirectory())
    .map((name) => {
      const manifest = readManifest(name);
      const tarball = path.join(PACKAGES, `${manifest.name.replace("@", "").replace("/", "-")}-${version}.tgz`);
      return { manifest, tarball };
    });
  // What other machines make: listed, never fetched.
  const others = BACKENDS.filter(({ isDefault }) => isDefault)
    .map((backend) => ({ name: packageName(backend), version, os: [backend.platform], cpu: [backend.arch] }))
    .filter(({ name }) => made.every(({ manifest }) => manifest.name !== name))
    .map((manifest) => ({ manifest }));
  const real = execFileSync("npm", ["config", "get", "registry"], { encoding: "utf8" }).trim();
  registry = await fakeRegistry([...made, ...others], real);
  user = new UserMachine({ "a.mjs": programThatAnswers() });
  await user.npmAside(["install", "punie", "--registry", registry.url]);
}, 1_800_000);

afterAll(async () => {
  user?.remove();
  await registry?.close();
});

describe("punie from a registry", () => {
  it("has every platform's package as an optional dependency of its own version", () => {
    const { version, optionalDependencies } = readManifest("punie");
    const usual = BACKENDS.filter(({ isDefault }) => isDefault).map((backend) => [packageName(backend), version]);
    expect(optionalDependencies).toEqual(Object.fromEntries(usual));
  });

  it("brings this platform's addon and no other's", () => {
    expect(registry.fetched.sort()).toEqual([HERE, "punie"]);
    expect(existsSync(path.join(user.package, "prebuilds"))).toBe(false);
    expect(readdirSync(path.join(user.app, "node_modules", "@punie"))).toEqual([path.basename(HERE)]);
  });

  it("answers", () => {
    expect(user.run("node", ["a.mjs"])).toEqual({ status: 0, stdout: `${TASK.text}\n`, stderr: "" });
  });

  it("does not use a platform's package of another version", () => {
    const file = path.join(user.app, "node_modules", HERE, "package.json");
    const manifest = readFileSync(file, "utf8");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(manifest), version: "9.9.9" }));
    try {
      const { status, stderr } = user.run("node", ["a.mjs"]);
      expect(status).toBe(1);
      expect(stderr).toContain(`${HERE}: is of version 9.9.9`);
    } finally {
      writeFileSync(file, manifest);
    }
  });

  it("says what to install where the platform's package was left out", () => {
    rmSync(path.join(user.app, "node_modules", "@punie"), { recursive: true });
    const { status, stderr } = user.run("node", ["a.mjs"]);
    expect(status).toBe(1);
    expect(stderr).toContain(`${HERE}: not there`);
    expect(stderr).toContain(`npm install --include=optional punie (brings ${HERE}`);
  });
});
