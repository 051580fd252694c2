import fs from "node:fs";
import path from "node:path";
import { paths } from "./paths.mjs";
import { SetupError } from "./report.mjs";
import { fetchWheel, unpackWheel } from "./wheel.mjs";

/** Pinned: every version of clang-format formats a little differently. */
const VERSION = "21.1.8";

const WHEELS = {
  "linux-x64": {
    platform: "manylinux_2_28_x86_64",
    sha256: "d12b864b596b80810cdd7f97556c485dc09cfe2952503958535f01359e025fbb",
  },
  "linux-arm64": {
    platform: "manylinux_2_28_aarch64",
    sha256: "c2a044953efab5f7d0261f3a76aabc01358592faac1b73af38d8c83db6e91a69",
  },
  "darwin-arm64": {
    platform: "macosx_11_0_arm64",
    sha256: "9a78fabba6b382866819b42a7b220d235a3baf6128a40fb7bd590c037f69879b",
  },
};

/** The path of the pinned clang-format, fetched on first use. */
export async function clangFormat() {
  const directory = path.join(paths.tools, `clang-format-${VERSION}`);
  const program = path.join(directory, "clang_format", "data", "bin", "clang-format");
  if (fs.existsSync(program)) return program;
  const host = `${process.platform}-${process.arch}`;
  const wheel = WHEELS[host];
  if (!wheel) throw new SetupError(`clang-format ${VERSION} has no wheel for ${host}.`);

  const file = await fetchWheel({ project: "clang-format", version: VERSION, ...wheel });
  const unpacked = `${directory}.partial-${process.pid}`;
  fs.rmSync(unpacked, { recursive: true, force: true });
  await unpackWheel(file, unpacked);
  fs.chmodSync(path.join(unpacked, path.relative(directory, program)), 0o755);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.renameSync(unpacked, directory);
  return program;
}
