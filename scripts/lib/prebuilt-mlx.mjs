import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

/** Compiled by MLX's CUDA backend while it runs; MLX's own headers are for building only. */
const RUN_TIME_HEADERS = ["cccl", "cute", "cutlass"];

/**
 * Copies MLX's libraries beside an addon, in the wheel's own layout: libmlx finds its BLAS relative to itself.
 * @param {string} unpacked what a wheel holds: `mlx/lib`, and on Linux `mlx_<backend>.libs`
 * @param {string} directory where punie.node lies
 * @param {{ cuda?: boolean }} [options]
 */
export function addMlx(unpacked, directory, { cuda = false } = {}) {
  const lib = path.join(directory, "mlx", "lib");
  fs.mkdirSync(lib, { recursive: true });
  for (const name of fs.readdirSync(path.join(unpacked, "mlx", "lib"))) {
    if (!/\.(so|dylib|metallib)$/.test(name)) continue;
    fs.copyFileSync(path.join(unpacked, "mlx", "lib", name), path.join(lib, name));
    // Not on macOS, where it would break the library's signature.
    if (name.endsWith(".so")) execFileSync("strip", ["--strip-unneeded", path.join(lib, name)]);
  }
  // Unchanged: their licence wants them as their authors built them.
  for (const name of fs.readdirSync(unpacked).filter((name) => name.endsWith(".libs")))
    fs.cpSync(path.join(unpacked, name), path.join(directory, name), { recursive: true });
  if (!cuda) return;
  for (const name of RUN_TIME_HEADERS) {
    const headers = path.join("mlx", "include", name);
    fs.cpSync(path.join(unpacked, headers), path.join(directory, headers), { recursive: true });
  }
}
