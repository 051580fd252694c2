import path from "node:path";
import { fileURLToPath } from "node:url";

/** The repository, or the installed package: where package.json lies. */
export const root = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");

const build = path.join(root, "build");

/** Everything that the scripts make lies under `build/` (and `dist/`, `prebuilds/`): deleting it is always safe. */
export const paths = {
  root,
  build,
  /** Wheels as they were downloaded, kept so that a second build needs no network. */
  downloads: process.env.PUNIE_DOWNLOADS ?? path.join(build, "downloads"),
  /** The addon, with MLX beside it in the layout of MLX's own wheel. */
  native: path.join(build, "native"),
  addon: path.join(build, "native", "punie.node"),
  cmake: path.join(build, "cmake"),
  tools: path.join(build, "tools"),
  stamps: path.join(build, "stamps"),
  dist: path.join(root, "dist"),
  prebuilds: path.join(root, "prebuilds"),
  /** What was prebuilt for this platform, with its default backend. */
  prebuild: path.join(root, "prebuilds", `${process.platform}-${process.arch}`),
};
