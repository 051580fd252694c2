/** Where the addon may lie, best first, and what to say when it is in none of these places. */
import path from "node:path";

const PLATFORMS = ["darwin-arm64", "linux-arm64", "linux-x64"];

/** Backends that come as packages of their own, best first: a GPU's is only there because somebody installed it. */
const GPU_BACKENDS: Record<string, readonly string[]> = { "linux-x64": ["cuda13", "cuda12"] };
const DEFAULT_BACKENDS: Record<string, string> = {
  "darwin-arm64": "metal",
  "linux-arm64": "cpu",
  "linux-x64": "cpu",
};

export interface Machine {
  /** The directory of this package. */
  root: string;
  platform: string;
  arch: string;
  /** Version of this package: a backend's package must have the same. */
  version: string;
  musl: () => boolean;
  exists: (file: string) => boolean;
  /** Directory and version of an installed package, or undefined when it is not there. */
  findPackage: (name: string) => { directory: string; version: string } | undefined;
}

/** A directory where the addon may lie, or why there is none. */
export interface Place {
  directory?: string;
  /** The package that it comes from, if it is not our own. */
  name?: string;
  problem?: string;
}

/**
 * Every place, best first. What was built here goes before all: in a checkout it is newer than a prebuilt one that was
 * left over, and an installed package has it only where its prebuilt one does not load.
 */
export function addonPlaces(machine: Machine): Place[] {
  const { root, platform, arch } = machine;
  const name = `${platform}-${arch}`;
  const prebuilt = (directory: string) => path.join(root, "prebuilds", directory);
  const gpus = (GPU_BACKENDS[name] ?? []).flatMap((backend): Place[] => {
    const own = prebuilt(`${name}-${backend}`);
    const from = packaged(machine, backend);
    // Where none was asked for, its absence is no news.
    return [...(machine.exists(own) ? [{ directory: own }] : []), ...(from.problem === NOT_THERE ? [] : [from])];
  });
  const usual = DEFAULT_BACKENDS[name];
  return [
    { directory: path.join(root, "build", "native") },
    ...gpus,
    { directory: prebuilt(name) },
    ...(usual === undefined ? [] : [packaged(machine, usual)]),
  ];
}

const NOT_THERE = "not there";

function packaged(machine: Machine, backend: string): Place {
  const name = `@punie/${machine.platform}-${machine.arch}-${backend}`;
  const found = machine.findPackage(name);
  if (found === undefined) return { name, problem: NOT_THERE };
  if (found.version !== machine.version)
    return { name, problem: `is of version ${found.version}, and this punie of ${machine.version}` };
  return { name, directory: found.directory };
}

/** NVIDIA's libraries that MLX's CUDA build asks for, in the system loader's complaint. */
const NVIDIA = /lib(cuda|cublas|cufft|cusolver|cudnn|nccl|nvrtc)/;

/**
 * What to do about an addon that is nowhere, or that nowhere loads.
 * @param causes Messages of those that were found and did not load.
 */
export function remedies(machine: Machine, causes: readonly string[]): string {
  const name = `${machine.platform}-${machine.arch}`;
  if (!PLATFORMS.includes(name)) {
    return `MLX has no build for ${name}. Punie runs on ${PLATFORMS.join(", ")}.`;
  }
  if (machine.musl()) {
    return "This Node runs on musl (Alpine), for which MLX has no build. Use a Linux with glibc, such as node:22-slim.";
  }
  const backend = `@punie/${name}-${DEFAULT_BACKENDS[name]}`;
  return [
    "What may help:",
    ...(causes.length > 0
      ? []
      : [`  - npm install --include=optional punie (brings ${backend}, which some installations leave out)`]),
    ...(causes.some((cause) => NVIDIA.test(cause))
      ? [`  - CUDA: NVIDIA's driver, CUDA, cuDNN and NCCL where the system finds them; or ${backend}, for the CPU`]
      : []),
    `  - an installation made on another machine: install again on this one, ${name}`,
    "  - Electron: unpack punie from the asar archive (asarUnpack: **/node_modules/punie/**)",
    "  - a bundler: keep punie external, or its package beside the bundle",
    `  - build it here: \`npm run build\` in ${machine.root.replace(/[\\/]$/, "")}`,
  ].join("\n");
}
