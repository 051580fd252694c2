/** What the linker and the compiler left in the addon, as readelf shows it. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ADDON = fileURLToPath(new URL("../../build/native/punie.node", import.meta.url));

function readelf(...options: string[]): string {
  return execFileSync("readelf", [...options, "--wide", ADDON], { encoding: "utf8", maxBuffer: 1 << 26 });
}

describe.runIf(process.platform === "linux")("the addon", () => {
  const segments = readelf("--program-headers");
  const dynamic = readelf("--dynamic");
  const symbols = readelf("--dyn-syms");
  /** Flags of the segments of a type: `R`, `RW`, `R E`. */
  const flagsOf = (type: string) =>
    Array.from(segments.matchAll(new RegExp(`^ +${type} +(?:0x\\w+ +){5}([RWE ]{3})`, "gm")), ([, flags]) => flags);

  it("has a stack that can't be executed", () => {
    expect(flagsOf("GNU_STACK")).toEqual(["RW "]);
  });

  it("has no memory that can be both written and executed", () => {
    const loaded = flagsOf("LOAD");
    expect(loaded.length).toBeGreaterThan(1);
    expect(loaded.filter((flags) => flags?.includes("W") && flags.includes("E"))).toEqual([]);
    expect(dynamic).not.toContain("(TEXTREL)");
  });

  it("has its table of functions filled in at load and then read-only", () => {
    expect(flagsOf("GNU_RELRO")).toEqual(["R  "]);
    expect(dynamic).toMatch(/\(FLAGS_1\).*\bNOW\b/);
  });

  it("checks its stack frames, and the buffers of the C library's functions", () => {
    expect(symbols).toMatch(/UND __stack_chk_fail\b/);
    expect(symbols).toMatch(/UND __\w+_chk@/);
  });
});
