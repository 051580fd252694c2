/** The native code in a build of its own, beside the usual one: for another processor, or without the usual addon. */
import path from "node:path";
import { buildToolPackage } from "./build-tools.mjs";
import { paths } from "./paths.mjs";
import { runLogged } from "./run.mjs";

/**
 * Configures and builds `build/<name>`; the compilers' messages go to `build/<name>-build.log`.
 * @param {string} name
 * @param {{ settings: Record<string, string>, target?: string, hint: string }} options CMake's settings; what to build,
 *   everything by default; what to say when it fails.
 * @returns {Promise<string>} where the programs are
 */
export async function buildApart(name, { settings, target, hint }) {
  const out = path.join(paths.build, name);
  const directory = path.join(out, "cmake");
  const cmake = (step, ...args) => runLogged(path.join(paths.build, `${name}-${step}.log`), "cmake", args, { hint });
  const all = {
    ...settings,
    PUNIE_OUTPUT_DIR: out,
    CMAKE_JS_INC: path.join(buildToolPackage("node-api-headers"), "include"),
    PUNIE_NODE_ADDON_API: buildToolPackage("node-addon-api"),
  };
  const defined = Object.entries(all).map(([key, value]) => `-D${key}=${value}`);
  await cmake("configure", "-S", paths.root, "-B", directory, ...defined);
  await cmake("build", "--build", directory, "--parallel", "2", ...(target ? ["--target", target] : []));
  return out;
}
