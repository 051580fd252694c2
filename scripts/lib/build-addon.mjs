import fs from "node:fs";
import path from "node:path";
import { buildToolPackage, buildToolsAreThere, fetchBuildTools } from "./build-tools.mjs";
import { fingerprint, isDone, markDone } from "./fingerprint.mjs";
import { withLock } from "./lock.mjs";
import { fetchMlx } from "./mlx.mjs";
import { MLX_VERSION } from "./mlx-wheels.mjs";
import { paths } from "./paths.mjs";
import { progress } from "./report.mjs";
import { checkBuildTools, checkPlatform } from "./requirements.mjs";
import { runLogged } from "./run.mjs";

/** What the machine is sure to have: more compilers at once than this can exhaust a small one's memory. */
const BUILD_JOBS = 2;

/** What decides how the build is configured; when one changes the build directory is made anew. */
function settings() {
  const { PUNIE_MLX_PREFIX, PUNIE_SANITIZE, PUNIE_NATIVE_TESTS, CXX, CXXFLAGS, LDFLAGS } = process.env;
  return {
    mlx: PUNIE_MLX_PREFIX ?? MLX_VERSION,
    sanitize: PUNIE_SANITIZE ?? "",
    nativeTests: PUNIE_NATIVE_TESTS !== "OFF" && fs.existsSync(path.join(paths.root, "tests", "native")),
    compiler: [CXX, CXXFLAGS, LDFLAGS],
    root: paths.root,
  };
}

/** Sanitized builds lie apart: they are for the native tests, and Node can't load such an addon by itself. */
function directories({ sanitize }) {
  if (sanitize === "") return { name: "native", out: paths.native, cmake: paths.cmake };
  const name = `sanitize-${sanitize.replaceAll(",", "-")}`;
  return { name, out: path.join(paths.build, name), cmake: path.join(paths.build, `cmake-${name}`) };
}

function inputs() {
  const files = [
    "native",
    "tests/native",
    "tests/fuzz/native",
    "CMakeLists.txt",
    "package.json",
    "scripts/lib/build-addon.mjs",
  ];
  const headers = ["node-addon-api", "node-api-headers"].map(buildToolPackage);
  return [...files.map((file) => path.join(paths.root, file)), ...headers];
}

/**
 * Builds `build/native/punie.node` (and the native tests) with cmake-js; returns at once when nothing has changed.
 * @returns {Promise<boolean>} whether anything was built
 */
export async function buildAddon() {
  const chosen = settings();
  const { name, out, cmake } = directories(chosen);
  const upToDate = () =>
    fs.existsSync(path.join(out, "punie.node")) && buildToolsAreThere() && isDone(name, fingerprint(inputs(), chosen));
  if (upToDate()) return false;

  checkPlatform();
  return withLock("native-build", async () => {
    if (upToDate()) return false;
    checkBuildTools();
    await fetchBuildTools();
    const prefix = await fetchMlx();
    const print = fingerprint(inputs(), chosen);
    const started = Date.now();
    progress("building the native addon (the first time takes 3 to 10 minutes on two cores)...");
    await runCmake({ chosen, cmake, out, prefix });
    markDone(name, print);
    progress(
      `built ${path.relative(paths.root, path.join(out, "punie.node"))} in ${Math.round((Date.now() - started) / 1000)} s`,
    );
    return true;
  });
}

async function runCmake({ chosen, cmake, out, prefix }) {
  const configuration = fingerprint([], chosen);
  const configurationFile = path.join(cmake, ".punie-configuration");
  if (!fs.existsSync(configurationFile) || fs.readFileSync(configurationFile, "utf8") !== configuration) {
    fs.rmSync(cmake, { recursive: true, force: true });
    fs.mkdirSync(cmake, { recursive: true });
    fs.writeFileSync(configurationFile, configuration);
  }
  const cmakeJs = (command, ...args) =>
    runLogged(
      path.join(paths.build, `${command}.log`),
      process.execPath,
      [cmakeJsProgram(), command, "--directory", paths.root, "--out", cmake, "--log-level", "warn", ...args],
      {
        cwd: paths.root,
        hint: "The native addon was not built; the compiler's messages are above.",
        // Of ninja's and make's lines: [57/140], [ 41%].
        tell: (line) => /^\[\s*(\d+\/\d+|\d+%)\]/.exec(line)?.[1],
      },
    );
  await cmakeJs(
    "configure",
    `--CDPUNIE_MLX_PREFIX=${prefix}`,
    `--CDPUNIE_OUTPUT_DIR=${out}`,
    // cmake-js looks for it in the package's own node_modules only.
    `--CDPUNIE_NODE_ADDON_API=${buildToolPackage("node-addon-api")}`,
    `--CDPUNIE_SANITIZE=${chosen.sanitize}`,
    `--CDPUNIE_NATIVE_TESTS=${chosen.nativeTests ? "ON" : "OFF"}`,
  );
  await cmakeJs("build", "--parallel", String(BUILD_JOBS));
}

function cmakeJsProgram() {
  return path.join(buildToolPackage("cmake-js"), "bin", "cmake-js");
}
