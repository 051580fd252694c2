import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { examine } from "../../src/cli/commands/doctor.js";
import { type Check, reportText } from "../../src/cli/doctor/check.js";
import { checkHub } from "../../src/cli/doctor/hub.js";
import { checkDevice, checkKernels, checkMemory, checkNode, checkPlatform } from "../../src/cli/doctor/machine.js";
import { checkChosenModel, checkModels } from "../../src/cli/doctor/models.js";
import { PunieError } from "../../src/errors.js";
import { runPunie } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const NO_SOCKETS = fileURLToPath(new URL("../helpers/no-sockets.cjs", import.meta.url));

const GIB = 2 ** 30;

let modelsDir: string;
beforeEach(() => {
  modelsDir = mkdtempSync(join(tmpdir(), "punie-doctor-"));
  vi.stubEnv("HF_HUB_CACHE", join(modelsDir, "absent"));
  vi.stubEnv("PUNIE_MODEL", "");
});
afterEach(() => {
  rmSync(modelsDir, { recursive: true });
  vi.unstubAllEnvs();
});

describe("Node", () => {
  it.each(["20.19.0", "20.20.2", "22.1.0"])("%s will do", (version) => {
    expect(checkNode(version)).toMatchObject({ status: "ok", found: `Node ${version}` });
  });

  it.each(["20.18.3", "18.20.0"])("%s is too old", (version) => {
    expect(checkNode(version)).toMatchObject({ status: "problem", advice: expect.stringContaining("20.19") });
  });
});

describe("the platform", () => {
  it.each([
    ["linux", "x64", "2.36", "ok", undefined],
    ["darwin", "arm64", undefined, "ok", undefined],
    ["linux", "x64", undefined, "problem", "musl"],
    ["win32", "x64", undefined, "problem", "no build"],
    ["darwin", "x64", undefined, "problem", "no build"],
  ])("%s-%s with glibc %s: %s", (platform, arch, glibc, status, advice) => {
    const check = checkPlatform(platform, arch, glibc);
    expect(check.status).toBe(status);
    expect(check.advice ?? "").toContain(advice ?? "");
  });
});

describe("the machine", () => {
  const info = {
    mlxVersion: "0.32.4",
    devices: ["cpu" as const],
    deviceName: "Some CPU",
    cpuKernels: "portable" as const,
    cores: 4,
  };

  it("is warned of where it has less than it might", () => {
    expect(checkDevice(info, "darwin")).toMatchObject({ status: "warning", advice: expect.stringContaining("Metal") });
    expect(checkDevice(info, "linux").status).toBe("ok");
    expect(checkKernels(info, "x64")).toMatchObject({ status: "warning", advice: expect.stringContaining("AVX2") });
    expect(checkKernels(info, "arm64").status).toBe("ok");
  });

  it.each([
    [32 * GIB, 16 * GIB, "ok"],
    [32 * GIB, 4 * GIB, "warning"],
    [4 * GIB, undefined, "warning"],
    [64 * GIB, undefined, "ok"],
  ])("with %d bytes of memory, %s available: %s", (total, available, status) => {
    expect(checkMemory(total, available).status).toBe(status);
  });
});

describe("models", () => {
  it("are asked for where there are none", async () => {
    expect(await checkModels(modelsDir)).toMatchObject({
      status: "warning",
      found: `No models in ${modelsDir}`,
      advice: `Download one with: punie download-model mlx-community/Qwen2.5-Coder-7B-Instruct-4bit --models-dir ${modelsDir}`,
    });
  });

  it("are listed, and those that aren't finished named", async () => {
    symlinkSync(TINY_MODEL, join(modelsDir, "org--tiny"));
    expect(await checkModels(modelsDir)).toMatchObject({ status: "ok", found: expect.stringContaining("org/tiny (") });
    mkdirSync(join(modelsDir, "org--half", ".punie"), { recursive: true });
    const check = await checkModels(modelsDir);
    expect(check.status).toBe("warning");
    expect(check.advice).toBe(`Finish it with: punie download-model org/half --models-dir ${modelsDir}`);
  });

  it("in a directory that can't be read are a warning", async () => {
    const file = join(modelsDir, "file");
    writeFileSync(file, "");
    expect(await checkModels(file)).toMatchObject({
      status: "warning",
      advice: expect.stringContaining("--models-dir"),
    });
  });

  it("have one that is used when none is named", async () => {
    expect(await checkChosenModel(modelsDir)).toMatchObject({
      status: "warning",
      advice: `Download it with: punie download-model mlx-community/Qwen2.5-Coder-7B-Instruct-4bit --models-dir ${modelsDir}`,
    });
    vi.stubEnv("PUNIE_MODEL", TINY_MODEL);
    expect((await checkChosenModel(modelsDir)).status).toBe("ok");
    vi.stubEnv("PUNIE_MODEL", "nonsense");
    expect(await checkChosenModel(modelsDir)).toMatchObject({ advice: expect.stringContaining("PUNIE_MODEL") });
  });
});

describe("the Hub", () => {
  let server: Server;
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  function listenWith(status: number | "never"): Promise<string> {
    server = createServer((_request, response) => {
      if (status !== "never") response.writeHead(status).end("[]");
    });
    return new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
    });
  }

  it.each([
    [200, "ok", /answers 200/],
    [503, "warning", /answers 503/],
    ["never", "warning", /can't be reached: no answer in time/],
  ] as const)("that answers %s: %s", async (status, expected, found) => {
    const endpoint = await listenWith(status);
    const check = await checkHub(endpoint, fetch, 200);
    expect(check).toMatchObject({ status: expected, found: expect.stringMatching(found) });
    server.closeAllConnections();
  });

  it("that is not there", async () => {
    const endpoint = await listenWith(200);
    await new Promise((resolve) => server.close(resolve));
    expect(await checkHub(endpoint, fetch)).toMatchObject({
      status: "warning",
      found: expect.stringMatching(/ECONNREFUSED/),
    });
  });
});

describe("examine", () => {
  const names = (checks: Check[]) => checks.map(({ name }) => name);

  it("looks at everything, and opens no connection when it is told not to", async () => {
    const checks = await examine({ modelsDir, offline: true });
    expect(names(checks)).toEqual([
      "node",
      "platform",
      "backend",
      "device",
      "kernels",
      "memory",
      "bandwidth",
      "models",
      "model",
      "disk",
      "hub",
    ]);
    expect(checks.filter(({ status }) => status === "problem")).toEqual([]);
    expect(checks.at(-1)).toMatchObject({ status: "skipped" });
  });

  it("respects HF_HUB_OFFLINE and tells of a wrong HF_ENDPOINT", async () => {
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect((await examine({ modelsDir })).at(-1)).toMatchObject({ name: "hub", status: "skipped" });
    vi.stubEnv("HF_HUB_OFFLINE", "");
    vi.stubEnv("HF_ENDPOINT", "nonsense");
    expect((await examine({ modelsDir })).at(-1)).toMatchObject({ name: "hub", status: "warning" });
  });

  it("goes on without an addon, which is a problem", async () => {
    const checks = await examine({ modelsDir, offline: true }, () => {
      throw new PunieError("NATIVE_UNAVAILABLE", "It is not there:\n  a.node: not there\nBuild it.");
    });
    expect(names(checks)).not.toContain("bandwidth");
    expect(checks.find(({ name }) => name === "backend")).toEqual({
      name: "backend",
      status: "problem",
      found: "It is not there:\n  a.node: not there",
      advice: "Build it.",
    });
  });
});

describe("punie doctor", () => {
  const run = (...args: string[]) =>
    runPunie(["doctor", "--models-dir", modelsDir, "--offline", ...args], { preload: [NO_SOCKETS] });

  it("prints its report on stdout, and opens no socket with --offline", async () => {
    const { stdout, stderr, exitCode } = await run();
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toMatch(/^✓ node {7}Node \d+/);
    expect(stdout).toContain("- hub        not tried: --offline\n");
  });

  it("prints the same as JSON", async () => {
    const { stdout, exitCode } = await run("--json");
    expect(exitCode).toBe(0);
    const report = JSON.parse(stdout) as { ok: boolean; checks: Check[] };
    expect(report.ok).toBe(true);
    expect(report.checks.find(({ name }) => name === "backend")?.values).toMatchObject({ mlxVersion: "0.32.4" });
  });
});

it("reports a line per check, with what to do below it", () => {
  const checks: Check[] = [
    { name: "node", status: "ok", found: "Node 20" },
    { name: "backend", status: "problem", found: "gone:\nnot there", advice: "Build it." },
  ];
  expect(reportText(checks)).toBe(
    ["✓ node     Node 20", "✗ backend  gone:", "           not there", "           Build it.", ""].join("\n"),
  );
});
