import { describe, expect, it, vi } from "vitest";
import { PunieError } from "../../../src/errors.js";
import { type BindingHost, fromNative, loadBinding, openBinding } from "../../../src/native/binding.js";

const PREBUILT = "/package/prebuilds/linux-x64/punie.node";
const BUILT = "/package/build/native/punie.node";

const CPU = "@punie/linux-x64-cpu";
const CUDA = "@punie/linux-x64-cuda12";

/** A machine on which these files are there, and loading them does this. */
function host(files: Record<string, () => unknown>, machine: Partial<BindingHost> = {}): BindingHost {
  return {
    root: "/package",
    platform: "linux",
    arch: "x64",
    version: "1.2.3",
    musl: () => false,
    exists: (file) => Object.keys(files).some((name) => name === file || name.startsWith(`${file}/`)),
    findPackage: () => undefined,
    require: (file) => files[file]?.(),
    ...machine,
  };
}

/** These packages are installed, each in /modules/<name>. */
function installed(...names: string[]): Pick<BindingHost, "findPackage"> {
  return {
    findPackage: (name) => (names.includes(name) ? { directory: `/modules/${name}`, version: "1.2.3" } : undefined),
  };
}

function failure(machine: BindingHost): PunieError {
  try {
    openBinding(machine);
  } catch (error) {
    return error as PunieError;
  }
  throw new Error("it was opened");
}

const broken = (message: string) => () => {
  throw new Error(message);
};

describe("the addon", () => {
  it("is the one that was built here, else the prebuilt one of this platform", () => {
    const prebuilt = {};
    const built = {};
    expect(openBinding(host({ [PREBUILT]: () => prebuilt, [BUILT]: () => built }))).toBe(built);
    expect(openBinding(host({ [PREBUILT]: () => prebuilt }))).toBe(prebuilt);
    expect(openBinding(host({ [BUILT]: broken("GLIBC_2.99 not found"), [PREBUILT]: () => prebuilt }))).toBe(prebuilt);
  });

  it("comes from the platform's package where nothing was built or packed", () => {
    const packaged = {};
    expect(openBinding(host({ [`/modules/${CPU}/punie.node`]: () => packaged }, installed(CPU)))).toBe(packaged);
  });

  it("takes a GPU's backend where one was installed, and the CPU's where that does not load", () => {
    const [cpu, gpu] = [{}, {}];
    const gpuFile = `/modules/${CUDA}/punie.node`;
    const both = installed(CPU, CUDA);
    expect(openBinding(host({ [PREBUILT]: () => cpu, [gpuFile]: () => gpu }, both))).toBe(gpu);
    expect(openBinding(host({ [PREBUILT]: () => cpu, [gpuFile]: broken("libcuda.so.1: not found") }, both))).toBe(cpu);
    const made = "/package/prebuilds/linux-x64-cuda12/punie.node";
    expect(openBinding(host({ [PREBUILT]: () => cpu, [made]: () => gpu }))).toBe(gpu);
  });

  it("for CUDA, where NVIDIA's libraries are missing, says so", () => {
    const files = { [`/modules/${CUDA}/punie.node`]: broken("libcudnn.so.9: cannot open shared object file") };
    expect(failure(host(files, installed(CUDA))).message).toContain("CUDA: NVIDIA's driver, CUDA, cuDNN and NCCL");
    expect(failure(host({ [PREBUILT]: broken("wrong ELF class") })).message).not.toContain("NVIDIA");
  });

  it("is not taken from a package of another version", () => {
    const findPackage = () => ({ directory: "/modules/old", version: "1.2.2" });
    const error = failure(host({ "/modules/old/punie.node": () => ({}) }, { findPackage }));
    expect(error.message).toContain(`${CPU}: is of version 1.2.2, and this punie of 1.2.3`);
    expect(error.message).toContain(`${CUDA}: is of version 1.2.2`);
  });

  it("that is nowhere gives every place and what may help", () => {
    const error = failure(host({}));
    expect(error).toMatchObject({ name: "PunieError", code: "NATIVE_UNAVAILABLE" });
    expect(error.message).toBe(
      "The native addon could not be loaded on linux-x64:\n" +
        `  ${BUILT}: not there\n  ${PREBUILT}: not there\n  ${CPU}: not there\n` +
        "What may help:\n" +
        `  - npm install --include=optional punie (brings ${CPU}, which some installations leave out)\n` +
        "  - an installation made on another machine: install again on this one, linux-x64\n" +
        "  - Electron: unpack punie from the asar archive (asarUnpack: **/node_modules/punie/**)\n" +
        "  - a bundler: keep punie external, or its package beside the bundle\n" +
        "  - build it here: `npm run build` in /package",
    );
  });

  it("that fails to load gives every cause", () => {
    const error = failure(host({ [PREBUILT]: broken("wrong ELF class"), [BUILT]: broken("libmlx.so is missing") }));
    expect(error.message).toContain(`${PREBUILT}: wrong ELF class`);
    expect(error.message).toContain(`${BUILT}: libmlx.so is missing`);
    expect(error.message).toContain("install again on this one, linux-x64");
    expect(error.message).not.toContain("--include=optional");
    expect(error.cause).toBeInstanceOf(AggregateError);
  });

  it.each([
    [
      "Windows",
      { platform: "win32" },
      "MLX has no build for win32-x64. Punie runs on darwin-arm64, linux-arm64, linux-x64.",
    ],
    ["an Intel Mac", { platform: "darwin" }, "MLX has no build for darwin-x64."],
    ["musl", { musl: () => true }, "This Node runs on musl (Alpine), for which MLX has no build."],
  ])("on %s is refused clearly", (_, machine, message) => {
    expect(failure(host({}, machine)).message).toContain(message);
  });
});

describe("an error of the addon", () => {
  it.each([
    ["its own code", Object.assign(new Error("m"), { code: "MODEL_CORRUPT" }), "MODEL_CORRUPT"],
    ["INTERNAL for a code that is none of ours", Object.assign(new Error("m"), { code: "ENOENT" }), "INTERNAL"],
    ["INTERNAL without a code", new Error("m"), "INTERNAL"],
  ])("becomes a PunieError with %s", (_, error, code) => {
    expect(fromNative(error)).toMatchObject({ name: "PunieError", code, message: "m", cause: error });
  });

  it("that is a PunieError already stays itself", () => {
    const error = new PunieError("OUT_OF_MEMORY", "m");
    expect(fromNative(error)).toBe(error);
  });
});

it("is not loaded for kernels that there are not", () => {
  vi.stubEnv("PUNIE_CPU_KERNELS", "AVX2");
  try {
    expect(() => loadBinding()).toThrow(
      'PUNIE_CPU_KERNELS: expected one of amx, avx512, avx2, neon, portable, received "AVX2".',
    );
  } finally {
    vi.unstubAllEnvs();
  }
});
