/** The only place that loads the addon, and the only one that turns its errors into `PunieError`. */
import { existsSync, readFileSync } from "node:fs";
// Whole: webpack puts undefined for a createRequire that is imported by its name.
import nodeModule from "node:module";
import path from "node:path";
import { ERROR_CODES, type ErrorCode, PunieError } from "../errors.js";
import { packageFile, realFile } from "../package-root.js";
import { addonPlaces, type Machine, remedies } from "./addon-places.js";
import type { NativeBinding } from "./binding-types.js";

/** What decides where the addon is looked for and what a failure is blamed on; a parameter for tests. */
export interface BindingHost extends Machine {
  require: (file: string) => unknown;
}

/** musl's `ldd` leaves this field out; the report is only asked for once loading has failed. */
function runsOnMusl(): boolean {
  if (process.platform !== "linux") return false;
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork: boolean };
  // Without this the report resolves every open socket's name, which can take seconds.
  report.excludeNetwork = true;
  const { header } = report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined;
}

function thisHost(): BindingHost {
  const manifest = packageFile("package.json");
  const requireFrom = nodeModule.createRequire(manifest);
  return {
    root: path.dirname(manifest),
    platform: process.platform,
    arch: process.arch,
    version: versionIn(manifest),
    musl: runsOnMusl,
    exists: existsSync,
    findPackage: (name) => {
      try {
        const found = realFile(requireFrom.resolve(`${name}/package.json`));
        return { directory: path.dirname(found), version: versionIn(found) };
      } catch {
        return undefined;
      }
    },
    require: (file) => requireFrom(file),
  };
}

function versionIn(manifest: string): string {
  return (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version;
}

let loaded: NativeBinding | undefined;

/** What PUNIE_CPU_KERNELS may name; what the processor lacks is as good as none. */
const KERNELS = ["amx", "avx512", "avx2", "neon", "portable"];

/** The addon itself takes a name that it doesn't know for none. */
function checkKernels(wanted: string | undefined): void {
  if (!wanted || KERNELS.includes(wanted)) return;
  const expected = `expected one of ${KERNELS.join(", ")}, received ${JSON.stringify(wanted)}`;
  throw new PunieError("INVALID_OPTION", `PUNIE_CPU_KERNELS: ${expected}.`);
}

/**
 * The addon, loaded on first use and then kept.
 * @throws PunieError `NATIVE_UNAVAILABLE`, with everything that was tried and what to do; `INVALID_OPTION` for a
 * PUNIE_CPU_KERNELS that names no kernels.
 */
export function loadBinding(): NativeBinding {
  if (!loaded) {
    checkKernels(process.env.PUNIE_CPU_KERNELS);
    const binding = openBinding(thisHost());
    // process.exit() would end the process under the models' threads, and crash once in a while.
    process.once("exit", () => binding.shutdown());
    loaded = binding;
  }
  return loaded;
}

/** Tries each place the addon may lie in. */
export function openBinding(host: BindingHost): NativeBinding {
  const failures: string[] = [];
  const causes: Error[] = [];
  for (const { name, directory, problem } of addonPlaces(host)) {
    const file = path.join(directory ?? "", "punie.node");
    if (directory === undefined || !host.exists(file)) {
      failures.push(`${name ?? file}: ${problem ?? "not there"}`);
      continue;
    }
    try {
      return host.require(file) as NativeBinding;
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      causes.push(cause);
      failures.push(`${name ?? file}: ${cause.message}`);
    }
  }
  const lines = [
    `The native addon could not be loaded on ${host.platform}-${host.arch}:`,
    ...failures.map((line) => `  ${line}`),
    remedies(
      host,
      causes.map(({ message }) => message),
    ),
  ];
  throw new PunieError("NATIVE_UNAVAILABLE", lines.join("\n"), {
    cause: causes.length > 1 ? new AggregateError(causes) : causes[0],
  });
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
