/** The only place that loads the addon, and the only one that turns its errors into `PunieError`. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_CODES, type ErrorCode, PunieError } from "../errors.js";
import type { NativeBinding } from "./binding-types.js";

/** `src/native` and `dist/native` lie equally deep in the package. */
const PACKAGE_ROOT = fileURLToPath(new URL("../../", import.meta.url));

const SUPPORTED_PLATFORMS = ["darwin-arm64", "linux-arm64", "linux-x64"];

/** What decides where the addon is looked for and what a failure is blamed on; a parameter for tests. */
export interface BindingHost {
  root: string;
  platform: string;
  arch: string;
  musl: () => boolean;
  exists: (file: string) => boolean;
  require: (file: string) => unknown;
}

/** musl's `ldd` leaves this field out; the report is only asked for once loading has failed. */
function runsOnMusl(): boolean {
  if (process.platform !== "linux") return false;
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime === undefined;
}

const thisHost: BindingHost = {
  root: PACKAGE_ROOT,
  platform: process.platform,
  arch: process.arch,
  musl: runsOnMusl,
  exists: existsSync,
  require: createRequire(import.meta.url),
};

let loaded: NativeBinding | undefined;

/**
 * The addon, loaded on first use and then kept.
 * @throws PunieError `NATIVE_UNAVAILABLE`, with everything that was tried and what to do.
 */
export function loadBinding(): NativeBinding {
  if (!loaded) {
    const binding = openBinding(thisHost);
    // process.exit() would end the process under the models' threads, and crash once in a while.
    process.once("exit", () => binding.shutdown());
    loaded = binding;
  }
  return loaded;
}

/**
 * Tries each place the addon may lie in. What was built here comes first: in a checkout it is newer than a prebuilt one
 * that was left over, and a published package has it only where its prebuilt one does not load.
 */
export function openBinding(host: BindingHost): NativeBinding {
  const candidates = [
    path.join(host.root, "build", "native", "punie.node"),
    path.join(host.root, "prebuilds", `${host.platform}-${host.arch}`, "punie.node"),
  ];
  const failures: { file: string; error: Error | undefined }[] = [];
  for (const file of candidates) {
    if (!host.exists(file)) {
      failures.push({ file, error: undefined });
      continue;
    }
    try {
      return host.require(file) as NativeBinding;
    } catch (error) {
      failures.push({ file, error: error instanceof Error ? error : new Error(String(error)) });
    }
  }
  const lines = [
    `The native addon could not be loaded on ${host.platform}-${host.arch}:`,
    ...failures.map(({ file, error }) => `  ${file}: ${error ? error.message : "not there"}`),
    remedy(
      host,
      failures.some(({ error }) => error !== undefined),
    ),
  ];
  const causes = failures.flatMap(({ error }) => (error ? [error] : []));
  throw new PunieError("NATIVE_UNAVAILABLE", lines.join("\n"), {
    cause: causes.length > 1 ? new AggregateError(causes) : causes[0],
  });
}

function remedy(host: BindingHost, found: boolean): string {
  const platform = `${host.platform}-${host.arch}`;
  if (!SUPPORTED_PLATFORMS.includes(platform)) {
    return `MLX has no build for ${platform}. Punie runs on ${SUPPORTED_PLATFORMS.join(", ")}.`;
  }
  if (host.musl()) {
    return "This Node runs on musl (Alpine), for which MLX has no build. Use a Linux with glibc, such as node:22-slim.";
  }
  return found
    ? "Build it again for this machine: run `npm run build` in the package's directory."
    : "Build it: run `npm run build` in the package's directory.";
}

const CODES: ReadonlySet<string> = new Set(ERROR_CODES);

/**
 * An error of the addon as a `PunieError`: its own code where that is one of ours, else `INTERNAL`.
 * @param directory Of the model: the addon speaks of tensors, and a person who has several models asks which.
 */
export function fromNative(error: unknown, directory?: string): PunieError {
  if (error instanceof PunieError) return error;
  const { code, message } = error as { code?: unknown; message?: unknown };
  const known = typeof code === "string" && CODES.has(code) ? (code as ErrorCode) : "INTERNAL";
  const text = typeof message === "string" ? message : String(error);
  const named = directory === undefined || text.includes(directory) ? text : `${directory}: ${text}`;
  return new PunieError(known, named, { cause: error });
}
