import fs from "node:fs";
import path from "node:path";
import { SetupError } from "./report.mjs";
import { output } from "./run.mjs";

const MINIMUM_NODE = [20, 19];
/** Ubuntu 22.04's, the oldest system that MLX's wheels support. */
const MINIMUM_CMAKE = [3, 22];
/** MLX's Linux wheels are built against this C library. */
const MINIMUM_GLIBC = [2, 35];

/** Refuses a Node that is too old. Needs nothing else, so that it is the first thing any script does. */
export function checkNode(version = process.versions.node) {
  if (!atLeast(version, MINIMUM_NODE)) {
    throw new SetupError(
      `punie needs Node ${MINIMUM_NODE.join(".")} or later; this is Node ${version}.\n` +
        "Install a current one from https://nodejs.org, or with a version manager: nvm install 22",
    );
  }
}

/**
 * Refuses the platforms that MLX has no wheel for, each with its reason.
 * @param {{ platform: string, arch: string, glibc?: string, darwin?: string }} [host] for tests
 */
export function checkPlatform(host = thisHost()) {
  const { platform, arch } = host;
  if (platform === "win32") {
    throw new SetupError("punie does not run on Windows. It runs under WSL 2, as on Linux: https://aka.ms/wsl");
  }
  if (platform === "darwin") {
    if (arch !== "arm64") {
      throw new SetupError(
        `punie needs a Mac with Apple silicon; this Node is ${arch}. MLX does not run on Intel Macs.\n` +
          "On an Apple-silicon Mac, install the arm64 Node: this one runs under Rosetta.",
      );
    }
    if (!atLeast(host.darwin ?? "0", [23]))
      throw new SetupError("punie needs macOS 14 or later: MLX supports no older one.");
    return;
  }
  if (platform !== "linux" || (arch !== "x64" && arch !== "arm64")) {
    throw new SetupError(`punie runs on Linux (x64, arm64) and macOS (arm64); this is ${platform} ${arch}.`);
  }
  if (host.glibc === undefined) {
    throw new SetupError(
      "punie needs a Linux with glibc; this Node is built for musl (Alpine?). MLX has no build for musl.\n" +
        "In a container, use a Debian or Ubuntu image, such as node:22-bookworm.",
    );
  }
  if (!atLeast(host.glibc, MINIMUM_GLIBC)) {
    throw new SetupError(
      `punie needs glibc ${MINIMUM_GLIBC.join(".")} or later (Ubuntu 22.04, Debian 12, Fedora 36); this system has ${host.glibc}.`,
    );
  }
}

function thisHost() {
  const host = { platform: process.platform, arch: process.arch };
  if (process.platform === "darwin") return { ...host, darwin: output("uname", ["-r"])?.trim() };
  if (process.platform !== "linux") return host;
  // Without this the report resolves every open socket's name, which can take seconds.
  process.report.excludeNetwork = true;
  return { ...host, glibc: process.report.getReport().header.glibcVersionRuntime };
}

/** Names every build tool that is missing, at once, with what to install. */
export function checkBuildTools() {
  const missing = [missingCmake(), missingGenerator(), missingCompiler(), ...missingPip()].filter(Boolean);
  if (missing.length > 0) {
    throw new SetupError(
      `Building punie's native addon needs:\n${missing.map((line) => `  - ${line}`).join("\n")}\n${remedy()}`,
    );
  }
}

/** Names Python 3 or its pip when missing. */
export function checkPip() {
  const missing = missingPip();
  if (missing.length > 0)
    throw new SetupError(`punie's set-up needs:\n${missing.map((line) => `  - ${line}`).join("\n")}\n${remedy()}`);
}

function missingCmake() {
  const version = output("cmake", ["--version"])?.match(/(\d+\.\d+)/)?.[1];
  if (version === undefined) return `cmake ${MINIMUM_CMAKE.join(".")} or later (not found)`;
  if (!atLeast(version, MINIMUM_CMAKE)) return `cmake ${MINIMUM_CMAKE.join(".")} or later (found ${version})`;
  return undefined;
}

function missingGenerator() {
  return onPath("ninja") || onPath("make") ? undefined : "ninja or make (neither found)";
}

/** g++ 11 and clang 14 are the first that compile MLX's headers as C++20. */
function missingCompiler() {
  const compiler = process.env.CXX ?? ["c++", "g++", "clang++"].find(onPath);
  if (compiler === undefined) return "a C++20 compiler: g++ 11 or clang 14 or later (not found)";
  const banner = output(compiler, ["--version"]);
  if (banner === undefined) return `a C++20 compiler: '${compiler} --version' fails`;
  const clang = banner.match(/clang version (\d+)/);
  const gnu = /clang/.test(banner) ? undefined : output(compiler, ["-dumpfullversion"])?.match(/^(\d+)/);
  if ((clang && Number(clang[1]) < 14) || (gnu && Number(gnu[1]) < 11)) {
    return `a C++20 compiler: g++ 11 or clang 14 or later (${compiler} is ${(clang ?? gnu)[1]})`;
  }
  return undefined;
}

function missingPip() {
  if (!onPath("python3")) return ["Python 3 with pip (python3 not found)"];
  return output("python3", ["-m", "pip", "--version"]) === undefined ? ["pip for python3 (python3 -m pip fails)"] : [];
}

function remedy() {
  if (process.platform === "darwin") return "Install them with: xcode-select --install && brew install cmake python3";
  if (onPath("apt-get")) return "Install them with: sudo apt-get install build-essential cmake python3 python3-pip";
  if (onPath("dnf")) return "Install them with: sudo dnf install gcc-c++ make cmake python3 python3-pip";
  if (onPath("pacman")) return "Install them with: sudo pacman -S base-devel cmake python python-pip";
  return "Install them with your system's package manager.";
}

function onPath(command) {
  if (command.includes("/")) return fs.existsSync(command);
  return (process.env.PATH ?? "")
    .split(path.delimiter)
    .some((dir) => dir !== "" && fs.existsSync(path.join(dir, command)));
}

function atLeast(version, minimum) {
  const parts = version.split(".").map(Number);
  for (const [index, least] of minimum.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
