import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { mlxWheel } from "../../scripts/lib/mlx-wheels.mjs";
import { checkNode, checkPlatform } from "../../scripts/lib/requirements.mjs";

describe("the set-up's requirements", () => {
  it.each(["20.19.0", "20.20.2", "22.0.0", "24.1.0"])("accept Node %s", (version) => {
    expect(() => checkNode(version)).not.toThrow();
  });

  it.each(["18.20.8", "20.18.3", "16.0.0"])("refuse Node %s, saying what to install", (version) => {
    expect(() => checkNode(version)).toThrow(/needs Node 20\.19 or later; this is Node .*\n.*nodejs\.org/);
  });

  it.each([
    { platform: "linux", arch: "x64", glibc: "2.35" },
    { platform: "linux", arch: "arm64", glibc: "2.39" },
    { platform: "darwin", arch: "arm64", darwin: "23.1.0" },
  ])("accept $platform $arch", (host) => {
    expect(() => checkPlatform(host)).not.toThrow();
  });

  it.each([
    ["Windows", { platform: "win32", arch: "x64" }, /Windows.*WSL/],
    ["an Intel Mac", { platform: "darwin", arch: "x64", darwin: "24.0.0" }, /Apple silicon.*Intel Macs/s],
    ["an old macOS", { platform: "darwin", arch: "arm64", darwin: "22.6.0" }, /macOS 14 or later/],
    ["musl", { platform: "linux", arch: "x64" }, /musl.*Debian or Ubuntu image/s],
    ["an old glibc", { platform: "linux", arch: "x64", glibc: "2.31" }, /glibc 2\.35 or later.*2\.31/],
    ["another architecture", { platform: "linux", arch: "riscv64", glibc: "2.39" }, /linux riscv64/],
    ["another system", { platform: "freebsd", arch: "x64" }, /freebsd x64/],
  ])("refuse %s clearly", (_, host, message) => {
    expect(() => checkPlatform(host)).toThrow(message);
  });

  it("name every missing build tool at once, with what to install", () => {
    const empty = mkdtempSync(path.join(tmpdir(), "punie-path-"));
    symlinkSync(process.execPath, path.join(empty, "node"));
    const script = `import("${path.resolve("scripts/lib/requirements.mjs")}").then((m) => m.checkBuildTools())`;
    const { status, stderr } = spawnSync("node", ["-e", script], {
      encoding: "utf8",
      env: { PATH: empty },
    });
    rmSync(empty, { recursive: true });
    expect(status).toBe(1);
    for (const tool of ["cmake 3.22", "ninja or make", "C++20 compiler", "Python 3 with pip"]) {
      expect(stderr).toContain(`  - ${tool.startsWith("C++") ? "a " : ""}${tool}`);
    }
    expect(stderr).toContain("Install them with");
  });
});

describe("the MLX wheel", () => {
  it.each([
    ["linux", "x64", "6.1.0", "mlx-cpu", "manylinux_2_35_x86_64"],
    ["linux", "arm64", "6.1.0", "mlx-cpu", "manylinux_2_35_aarch64"],
    ["darwin", "arm64", "23.6.0", "mlx-metal", "macosx_14_0_arm64"],
    ["darwin", "arm64", "24.0.0", "mlx-metal", "macosx_15_0_arm64"],
    ["darwin", "arm64", "25.1.0", "mlx-metal", "macosx_15_0_arm64"],
  ])("for %s %s %s is %s for %s, pinned by hash", (platform, arch, release, project, tag) => {
    const wheel = mlxWheel({ platform, arch, release });
    expect(wheel).toMatchObject({ project, version: "0.32.4", platform: tag });
    expect(wheel.sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});
