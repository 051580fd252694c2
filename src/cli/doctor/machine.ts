/** Checks of what is below punie: Node, the system, the addon, memory. */
import { PunieError } from "../../errors.js";
import { formatMemory } from "../../format-bytes.js";
import type { NativeBinding, NativeInfo } from "../../native/binding-types.js";
import type { Check } from "./check.js";

/** package.json's `engines`. */
const LEAST_NODE = [20, 19] as const;

export function checkNode(version: string): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const fine = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const check = { name: "node", found: `Node ${version}`, values: { version } };
  if (fine) return { ...check, status: "ok" };
  return { ...check, status: "problem", advice: `Install Node ${LEAST_NODE.join(".")} or newer: https://nodejs.org` };
}

const PLATFORMS = ["darwin-arm64", "linux-arm64", "linux-x64"];

/** @param glibc Undefined on Linux means musl. */
export function checkPlatform(platform: string, arch: string, glibc: string | undefined): Check {
  const name = `${platform}-${arch}`;
  const values = { platform, arch, ...(glibc === undefined ? {} : { glibc }) };
  const check = { name: "platform", found: glibc === undefined ? name : `${name}, glibc ${glibc}`, values };
  if (!PLATFORMS.includes(name)) {
    return { ...check, status: "problem", advice: `MLX has no build for it. Punie runs on ${PLATFORMS.join(", ")}.` };
  }
  if (platform === "linux" && glibc === undefined) {
    const advice = "MLX has no build for musl (Alpine). Use a Linux with glibc, such as node:22-slim.";
    return { ...check, found: `${name}, musl`, status: "problem", advice };
  }
  return { ...check, status: "ok" };
}

/** The addon, and what it says of itself; the binding is undefined when it can't be loaded. */
export function checkAddon(load: () => NativeBinding): { check: Check; binding?: NativeBinding; info?: NativeInfo } {
  try {
    const binding = load();
    const info = binding.info();
    const found = `MLX ${info.mlxVersion}, for ${info.devices.join(" and ")}`;
    return { check: { name: "backend", status: "ok", found, values: { ...info } }, binding, info };
  } catch (error) {
    if (!(error instanceof PunieError)) throw error;
    const [advice, ...found] = error.message.split("\n").reverse();
    const told = found.length === 0 ? "The native addon could not be loaded." : found.reverse().join("\n");
    return { check: { name: "backend", status: "problem", found: told, ...(advice === undefined ? {} : { advice }) } };
  }
}

export function checkDevice({ devices, deviceName, cores }: NativeInfo, platform: string): Check {
  const [device = "cpu"] = devices;
  const check = {
    name: "device",
    found: `${device}: ${deviceName}, ${counted(cores, "core")}`,
    values: { device, deviceName, cores },
  };
  if (platform !== "darwin" || device !== "cpu") return { ...check, status: "ok" };
  return {
    ...check,
    status: "warning",
    advice: "Metal is not available here: is this a virtual machine? The CPU is used.",
  };
}

export function checkKernels({ cpuKernels }: NativeInfo, arch: string): Check {
  const check = { name: "kernels", found: `CPU kernels: ${cpuKernels}`, values: { cpuKernels } };
  if (arch !== "x64" || cpuKernels !== "portable") return { ...check, status: "ok" };
  return { ...check, status: "warning", advice: "This processor has no AVX2: models will run, and slowly." };
}

/** Weights and cache of the default model, and something for the rest of the machine. */
const COMFORTABLE_BYTES = 8 * 2 ** 30;
/** The least that the smallest of the catalog's models takes. */
const LEAST_BYTES = 3 * 2 ** 30;

/** @param availableBytes Undefined where the system doesn't tell. */
export function checkMemory(totalBytes: number, availableBytes?: number): Check {
  const available = availableBytes === undefined ? "" : `, ${formatMemory(availableBytes)} available`;
  const found = `${formatMemory(totalBytes)} of memory${available}`;
  const check = { name: "memory", found, values: { totalBytes, availableBytes } };
  const usable = availableBytes ?? totalBytes;
  if (usable >= COMFORTABLE_BYTES) return { ...check, status: "ok" };
  const advice =
    usable >= LEAST_BYTES
      ? "The default model (7B) wants 8 GiB: take mlx-community/Qwen2.5-Coder-3B-Instruct-4bit, or close other programs."
      : "Too little for most models: close other programs.";
  return { ...check, status: "warning", advice };
}

/** Bytes that a 4-bit model of 7 billion weights reads for each token. */
const BYTES_PER_TOKEN_7B = 4e9;

export async function checkBandwidth(binding: NativeBinding, threads: number): Promise<Check> {
  const bytesPerSecond = await binding.measureMemoryBandwidth(threads);
  const tokensPerSecond = bytesPerSecond / BYTES_PER_TOKEN_7B;
  return {
    name: "bandwidth",
    status: "ok",
    found:
      `${(bytesPerSecond / 1e9).toFixed(1)} GB/s read by ${counted(threads, "thread")}: ` +
      `at most ${tokensPerSecond.toFixed(1)} tokens/s of a 4-bit 7B model`,
    values: { bytesPerSecond, threads },
  };
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
