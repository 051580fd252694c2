import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { MLX_VERSION, mlxWheel } from "./mlx-wheels.mjs";
import { paths } from "./paths.mjs";
import { progress, SetupError } from "./report.mjs";
import { fetchWheel, unpackWheel } from "./wheel.mjs";

/** Written into the unpacked tree last: names the wheel that it came from. */
const STAMP = path.join("mlx", ".wheel");

/** Makes MLX available and gives its prefix: the directory that has `include`, `lib` and `share/cmake/MLX`. */
export async function fetchMlx() {
  if (process.env.PUNIE_MLX_PREFIX) return checkedPrefix(path.resolve(process.env.PUNIE_MLX_PREFIX));

  const wheel = mlxWheel({ platform: os.platform(), arch: os.arch(), release: os.release() });
  return fetchWheelInto(wheel, paths.native);
}

/** MLX of one wheel in `directory`, beside which the addon goes; gives its prefix. */
export async function fetchWheelInto(wheel, directory) {
  const prefix = path.join(directory, "mlx");
  if (stampOf(directory) === wheel.sha256) return prefix;

  progress(`fetching MLX ${MLX_VERSION} (${wheel.project})...`);
  const file = await fetchWheel(wheel);
  const unpacked = path.join(paths.build, `mlx.partial-${process.pid}`);
  fs.rmSync(unpacked, { recursive: true, force: true });
  try {
    await unpackWheel(file, unpacked);
    fs.writeFileSync(path.join(unpacked, STAMP), wheel.sha256);
    install(unpacked, directory);
  } finally {
    fs.rmSync(unpacked, { recursive: true, force: true });
  }
  return prefix;
}

/** `mlx` goes last because it has the stamp: until it is there, the whole step counts as not done. */
function install(unpacked, directory) {
  fs.mkdirSync(directory, { recursive: true });
  fs.rmSync(path.join(directory, "mlx"), { recursive: true, force: true });
  const parts = fs.readdirSync(unpacked).filter((name) => !name.endsWith(".dist-info"));
  for (const name of parts.sort((a, b) => Number(a === "mlx") - Number(b === "mlx"))) {
    const target = path.join(directory, name);
    fs.rmSync(target, { recursive: true, force: true });
    fs.renameSync(path.join(unpacked, name), target);
  }
}

function stampOf(directory) {
  try {
    return fs.readFileSync(path.join(directory, STAMP), "utf8");
  } catch {
    return undefined;
  }
}

function checkedPrefix(prefix) {
  const versionFile = path.join(prefix, "share", "cmake", "MLX", "MLXConfigVersion.cmake");
  if (!fs.existsSync(versionFile))
    throw new SetupError(`PUNIE_MLX_PREFIX is ${prefix}: there is no MLX there (no ${versionFile}).`);
  const found = fs.readFileSync(versionFile, "utf8").match(/set\(PACKAGE_VERSION "([^"]+)"\)/)?.[1];
  if (found !== MLX_VERSION) {
    throw new SetupError(
      `PUNIE_MLX_PREFIX is ${prefix}: MLX ${found ?? "of unknown version"}, expected exactly ${MLX_VERSION}.`,
    );
  }
  return prefix;
}
