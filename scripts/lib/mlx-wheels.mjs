import { SetupError } from "./report.mjs";

/** The one version of MLX that the addon is written for and tested with. */
export const MLX_VERSION = "0.32.4";

/** MLX's wheels as published, by what they run on. `platform` is pip's name for it. */
const WHEELS = {
  "linux-x64": {
    project: "mlx-cpu",
    platform: "manylinux_2_35_x86_64",
    sha256: "0e0a24fa2ce8b6b94d2e6a90604e8813aa8e29fcb918bb2aa01cfb6d133d8cee",
  },
  "linux-arm64": {
    project: "mlx-cpu",
    platform: "manylinux_2_35_aarch64",
    sha256: "1289e85e64af1fd16380bf331438bfe4afe875d27afc3e0bcf35f427c488fadd",
  },
  "darwin-arm64-14": {
    project: "mlx-metal",
    platform: "macosx_14_0_arm64",
    sha256: "8019b2db622599267d66cc168b2f0dbf5af929790a6c3b3913e00eabc42a7947",
  },
  "darwin-arm64-15": {
    project: "mlx-metal",
    platform: "macosx_15_0_arm64",
    sha256: "9f0a3cc26d89724434d9684932fc6f3e4e83669d2a895d858ed2c8a55eb84e8b",
  },
};

/** Darwin 24 is macOS 15. */
const DARWIN_OF_MACOS_15 = 24;

/**
 * The wheel for a host, for `fetchWheel`.
 * @param {{ platform: string, arch: string, release: string }} host as of node:os
 */
export function mlxWheel({ platform, arch, release }) {
  const macos = Number.parseInt(release, 10) >= DARWIN_OF_MACOS_15 ? "15" : "14";
  const wheel = WHEELS[platform === "darwin" ? `darwin-${arch}-${macos}` : `${platform}-${arch}`];
  if (!wheel) throw new SetupError(`MLX ${MLX_VERSION} has no wheel for ${platform} ${arch}.`);
  return { ...wheel, version: MLX_VERSION };
}
