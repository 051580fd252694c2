import fs from "node:fs";
import path from "node:path";
import { filesUnder } from "./fingerprint.mjs";
import { SetupError } from "./report.mjs";
import { output } from "./run.mjs";

/** The newest symbol versions that a prebuilt file may ask for: those of Ubuntu 22.04, for which MLX's wheels are built. */
export const BASELINE = { GLIBC: [2, 35], GLIBCXX: [3, 4, 30], CXXABI: [1, 3, 13] };

/** Looked for in the package itself; all else comes from the system. */
const RELATIVE = /^\$ORIGIN(\/|$)/;

/**
 * What a prebuilt directory asks of a Linux system, over all of its libraries.
 * @param {string} directory
 * @param {Record<"GLIBC" | "GLIBCXX" | "CXXABI", number[]>} [baseline]
 * @returns {{ newest: Record<"GLIBC" | "GLIBCXX" | "CXXABI", string>, problems: string[] }}
 *   the newest version of each kind, and what would keep the files from loading elsewhere
 */
export function examineElf(directory, baseline = BASELINE) {
  const newest = { GLIBC: "0", GLIBCXX: "0", CXXABI: "0" };
  const problems = [];
  for (const file of filesUnder(directory).filter(isElf)) {
    const name = path.relative(directory, file);
    for (const [kind, version] of versionsOf(file)) {
      if (compare(version, newest[kind]) > 0) newest[kind] = version;
      if (compare(version, baseline[kind].join(".")) > 0)
        problems.push(`${name} needs ${kind}_${version}; the baseline is ${baseline[kind].join(".")}`);
    }
    for (const entry of runPathsOf(file)) {
      if (!RELATIVE.test(entry)) problems.push(`${name} looks for libraries in ${entry}, which is no place of its own`);
    }
  }
  return { newest, problems };
}

/**
 * The symbols that an addon takes from one build of a library and would not find in another.
 * @param {{ addon: string, library: string, other: string }} files
 */
export function missingSymbols({ addon, library, other }) {
  const defined = (file) => new Set(symbolsOf(["--defined-only", file]));
  const [has, offers] = [defined(library), defined(other)];
  return symbolsOf(["--undefined-only", addon]).filter((symbol) => has.has(symbol) && !offers.has(symbol));
}

function symbolsOf(args) {
  return need("nm", ["--dynamic", "--format=just-symbols", ...args])
    .split("\n")
    .filter((symbol) => symbol !== "");
}

/** @returns {[kind: string, version: string][]} every symbol version that a file needs or defines */
function versionsOf(file) {
  const symbols = need("objdump", ["-T", file]);
  const found = new Set(symbols.match(/\b(?:GLIBC|GLIBCXX|CXXABI)_\d[\d.]*/g));
  return Array.from(found, (symbol) => symbol.split("_"));
}

function runPathsOf(file) {
  const dynamic = need("objdump", ["-p", file]);
  return Array.from(dynamic.matchAll(/^\s+R(?:UN)?PATH\s+(\S+)/gm), ([, paths]) => paths.split(":")).flat();
}

function need(command, args) {
  const text = output(command, args);
  if (text === undefined) throw new SetupError(`'${command} ${args.join(" ")}' fails: install binutils.`);
  return text;
}

function isElf(file) {
  const descriptor = fs.openSync(file);
  try {
    const magic = Buffer.alloc(4);
    return fs.readSync(descriptor, magic) === 4 && magic.equals(Buffer.from("\x7fELF"));
  } finally {
    fs.closeSync(descriptor);
  }
}

function compare(left, right) {
  const [a, b] = [left, right].map((version) => version.split(".").map(Number));
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
