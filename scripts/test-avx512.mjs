/**
 * The kernels for AVX-512 and AMX on a processor without them: `npm run test:avx512` (Linux). Compiles them as plain C++
 * (tests/emulation) into `build/avx512` and runs the native tests. What is in assembly, the sums of QuantizedCrossed, has
 * its form in C++ tested instead. Says nothing about speed.
 */
import path from "node:path";
import { buildApart } from "./lib/build-apart.mjs";
import { paths } from "./lib/paths.mjs";
import { prepare } from "./lib/prepare.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";
import { output, run } from "./lib/run.mjs";

const HEADER = "simde/x86/avx512.h";
const PROGRAM = "punie_native_tests";

await runMain(async () => {
  if (process.arch !== "x64") throw new SetupError("The kernels for AVX-512 are compiled on x64 only.");
  const compiler = process.env.CXX ?? "c++";
  if (output(compiler, ["-fsyntax-only", "-x", "c++", "-include", HEADER, "/dev/null"]) === undefined) {
    throw new SetupError(`The compiler finds no ${HEADER}. Install it with: sudo apt-get install libsimde-dev`);
  }
  await prepare();
  progress("compiling (the first time takes some minutes)...");
  const out = await buildApart("avx512", {
    settings: { CMAKE_BUILD_TYPE: "Release", PUNIE_EMULATE_AVX512: "ON" },
    target: PROGRAM,
    hint: "The kernels were not built for emulation; the compiler's messages are above.",
  });
  progress("native tests, AVX-512 and AMX emulated");
  await run(path.join(out, PROGRAM), [], { cwd: paths.root });
});
