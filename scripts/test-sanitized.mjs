/**
 * The native code under a sanitizer: `npm run test:asan`, `npm run test:tsan` (Linux).
 *
 * asan: AddressSanitizer and UndefinedBehaviorSanitizer. The native tests, with leaks; then the tests that use the addon,
 * in Node with the sanitized addon in place of the usual one. Other arguments are test files to run instead.
 * tsan: ThreadSanitizer over the native tests and over engines on many threads (tests/native/engine). Not in Node, whose
 * own threads it does not see the synchronization of.
 */
import path from "node:path";
import { buildAddon } from "./lib/build-addon.mjs";
import { paths } from "./lib/paths.mjs";
import { prepare } from "./lib/prepare.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";
import { output, run } from "./lib/run.mjs";

/** Everything that runs in the addon; the rest of the suite has no native code of ours in it. */
const ADDON_TESTS = [
  ...["tests/unit/native", "tests/unit/tokenizer", "tests/unit/api", "tests/engine", "tests/lifecycle", "tests/fuzz"],
  "tests/server/real-model.test.ts",
];
/** Programs of tests/native. */
const PROGRAMS = ["punie_native_tests", "punie_engine_errors", "punie_engine_threads"];
const SANITIZE = path.join(paths.root, "tests", "sanitize");

await runMain(async () => {
  const [which, ...files] = process.argv.slice(2);
  if (process.platform !== "linux") throw new SetupError("The sanitizers are set up for Linux.");
  if (which !== "asan" && which !== "tsan") throw new SetupError("Usage: npm run test:asan, or npm run test:tsan");
  await prepare();
  const sanitizers = which === "asan" ? "address,undefined" : "thread";
  process.env.PUNIE_SANITIZE = sanitizers;
  await buildAddon();
  const build = path.join(paths.build, `sanitize-${sanitizers.replaceAll(",", "-")}`);
  if (which === "tsan") await threads(build);
  else await addresses(build, files.length > 0 ? files : ADDON_TESTS);
  progress("clean");
});

async function threads(build) {
  // What is suppressed is known by its stack, which a short history loses.
  const options = "halt_on_error=0:exitcode=66:second_deadlock_stack=1:history_size=7";
  const env = { ...process.env, TSAN_OPTIONS: `suppressions=${path.join(SANITIZE, "tsan.supp")}:${options}` };
  for (const program of PROGRAMS) await check(path.join(build, program), [], env);
}

async function addresses(build, files) {
  // Also for what the programs start: a leak or an error ends each with this code.
  const common = "exitcode=66:detect_stack_use_after_return=1:strict_string_checks=1";
  const env = { ...process.env, UBSAN_OPTIONS: "print_stacktrace=1:halt_on_error=1" };
  const leaks = { LSAN_OPTIONS: `suppressions=${path.join(SANITIZE, "lsan.supp")}` };
  for (const program of PROGRAMS) {
    await check(path.join(build, program), [], { ...env, ...leaks, ASAN_OPTIONS: `${common}:detect_leaks=1` });
  }
  const vitest = path.join(paths.root, "node_modules", "vitest", "vitest.mjs");
  await check(process.execPath, [vitest, "run", ...files], {
    ...env,
    // Node is not built with the sanitizers: their runtime must be there first, and the C++ library, whose exceptions it
    // looks at, before anything throws.
    LD_PRELOAD: `${runtime("libasan.so")} ${runtime("libubsan.so")} ${runtime("libstdc++.so.6")}`,
    // V8 frees little at the end of a process: whether we leak is for the native programs, and the tests of memory.
    ASAN_OPTIONS: `${common}:detect_leaks=0`,
    NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ""} --require ${path.join(paths.root, "tests", "helpers", "use-addon.cjs")}`,
    PUNIE_TEST_ADDON: path.join(build, "punie.node"),
    PUNIE_LONG: "1", // everything takes several times as long: the long suite's limits
  });
}

/** The compiler's own copy of a library. */
function runtime(name) {
  const file = output(process.env.CXX ?? "g++", [`-print-file-name=${name}`])?.trim();
  if (!file?.includes("/")) throw new SetupError(`The compiler has no ${name}: install its sanitizers' runtime.`);
  return file;
}

function check(command, args, env) {
  progress(`${path.basename(command)} ${args.slice(1).join(" ")}`);
  return run(command, args, { cwd: paths.root, env });
}
