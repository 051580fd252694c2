import { MLX_VERSION, mlxWheel } from "./mlx-wheels.mjs";
import { SetupError } from "./report.mjs";

/**
 * What MLX computes on, by the platform that it is for. The addon itself is the same under all backends of a platform:
 * they differ in the libmlx beside it.
 * `isDefault`: what the addon is compiled against, and what a plain installation brings.
 */
export const BACKENDS = [
  { platform: "linux", arch: "x64", backend: "cpu", isDefault: true },
  { platform: "linux", arch: "arm64", backend: "cpu", isDefault: true },
  { platform: "darwin", arch: "arm64", backend: "metal", isDefault: true },
  {
    platform: "linux",
    arch: "x64",
    backend: "cuda12",
    isDefault: false,
    wheel: {
      project: "mlx-cuda-12",
      version: MLX_VERSION,
      platform: "manylinux_2_35_x86_64",
      sha256: "f385c7af7c1f63a9d6ce3e442e1c9ba881c881bcb45c6534ff8155b359da47e5",
    },
  },
  {
    platform: "linux",
    arch: "x64",
    backend: "cuda13",
    isDefault: false,
    wheel: {
      project: "mlx-cuda-13",
      version: MLX_VERSION,
      platform: "manylinux_2_35_x86_64",
      sha256: "94cb48fba73e5ee39467e51c35c51c691123359ca17bafd1a24cf92ad6732bee",
    },
  },
];

/** The directory below `prebuilds/`: `linux-x64` for the default backend, `linux-x64-cuda12` for another. */
export function prebuildName({ platform, arch, backend, isDefault }) {
  return isDefault ? `${platform}-${arch}` : `${platform}-${arch}-${backend}`;
}

/** The npm package that carries a backend, such as `@punie/linux-x64-cpu`. */
export function packageName({ platform, arch, backend }) {
  return `@punie/${platform}-${arch}-${backend}`;
}

/**
 * A backend of this machine.
 * @param {string} [name] Default: the platform's own.
 */
export function backendHere(name, { platform, arch } = process) {
  const here = BACKENDS.filter((one) => one.platform === platform && one.arch === arch);
  const found = here.find((one) => (name === undefined ? one.isDefault : one.backend === name));
  if (found) return found;
  const names = here.map((one) => one.backend).join(", ") || "none";
  throw new SetupError(`There is no backend '${name ?? "default"}' for ${platform}-${arch}. Known: ${names}.`);
}

/** The wheel of MLX that a backend takes its libraries from. */
export function wheelOf(backend, release) {
  return backend.wheel ?? mlxWheel({ ...backend, release });
}
