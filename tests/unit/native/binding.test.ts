import { describe, expect, it } from "vitest";
import { PunieError } from "../../../src/errors.js";
import { type BindingHost, fromNative, openBinding } from "../../../src/native/binding.js";

const PREBUILT = "/package/prebuilds/linux-x64/punie.node";
const BUILT = "/package/build/native/punie.node";

/** A machine on which these files are there, and loading them does this. */
function host(files: Record<string, () => unknown>, machine: Partial<BindingHost> = {}): BindingHost {
  return {
    root: "/package",
    platform: "linux",
    arch: "x64",
    musl: () => false,
    exists: (file) => file in files,
    require: (file) => files[file]?.(),
    ...machine,
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

  it("that is nowhere gives both places and how to build it", () => {
    const error = failure(host({}));
    expect(error).toMatchObject({ name: "PunieError", code: "NATIVE_UNAVAILABLE" });
    expect(error.message).toBe(
      "The native addon could not be loaded on linux-x64:\n" +
        `  ${BUILT}: not there\n  ${PREBUILT}: not there\n` +
        "Build it: run `npm run build` in the package's directory.",
    );
  });

  it("that fails to load gives every cause", () => {
    const error = failure(host({ [PREBUILT]: broken("wrong ELF class"), [BUILT]: broken("libmlx.so is missing") }));
    expect(error.message).toContain(`${PREBUILT}: wrong ELF class`);
    expect(error.message).toContain(`${BUILT}: libmlx.so is missing`);
    expect(error.message).toContain("Build it again for this machine");
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
