/** `punie doctor`: what this machine has, and what to do about what it lacks. */
import { totalmem } from "node:os";
import { Command } from "commander";
import { PunieError } from "../../errors.js";
import { hubEndpoint, isOffline } from "../../hub/endpoint.js";
import { createFetch } from "../../hub/network.js";
import { loadBinding } from "../../native/binding.js";
import type { NativeBinding } from "../../native/binding-types.js";
import { type Check, reportText } from "../doctor/check.js";
import { checkHub } from "../doctor/hub.js";
import {
  checkAddon,
  checkBandwidth,
  checkDevice,
  checkKernels,
  checkMemory,
  checkNode,
  checkPlatform,
} from "../doctor/machine.js";
import { checkChosenModel, checkDisk, checkModels } from "../doctor/models.js";
import { answer, answerJson } from "../output.js";

interface DoctorFlags {
  modelsDir?: string;
  offline?: boolean;
  json?: boolean;
}

export function doctorCommand(): Command {
  return new Command("doctor")
    .option("--models-dir <dir>", "where models lie (environment: PUNIE_MODELS_DIR)")
    .option("--offline", "don't try to reach the Hub")
    .option("--json", "print one JSON object")
    .addHelpText("after", EXAMPLES)
    .action(async (flags: DoctorFlags) => {
      const checks = await examine(flags);
      const ok = checks.every(({ status }) => status !== "problem");
      if (flags.json) answerJson({ ok, checks });
      else answer(reportText(checks));
      if (!ok) process.exitCode = 1;
    });
}

const EXAMPLES = `
Examples:
  $ punie doctor
  $ punie doctor --offline --json
`;

/** @param load A parameter for tests. */
export async function examine(flags: DoctorFlags, load: () => NativeBinding = loadBinding): Promise<Check[]> {
  const { platform, arch } = process;
  const { check: addon, binding, info } = checkAddon(load);
  return [
    checkNode(process.versions.node),
    checkPlatform(platform, arch, glibcVersion()),
    addon,
    ...(info === undefined ? [] : [checkDevice(info, platform), checkKernels(info, arch)]),
    checkMemory(totalBytes(), availableBytes()),
    ...(binding === undefined || info === undefined ? [] : [await checkBandwidth(binding, info.cores)]),
    await checkModels(flags.modelsDir),
    await checkChosenModel(flags.modelsDir),
    await checkDisk(flags.modelsDir),
    await hub(flags),
  ];
}

async function hub({ offline }: DoctorFlags): Promise<Check> {
  if (offline) return { name: "hub", status: "skipped", found: "not tried: --offline" };
  if (isOffline(process.env)) return { name: "hub", status: "skipped", found: "not tried: HF_HUB_OFFLINE is set" };
  try {
    const endpoint = hubEndpoint(process.env);
    const { fetch, close } = createFetch();
    try {
      return await checkHub(endpoint, fetch);
    } finally {
      await close();
    }
  } catch (error) {
    if (!(error instanceof PunieError)) throw error;
    return { name: "hub", status: "warning", found: error.message, advice: "Set what it names right, or unset it." };
  }
}

function glibcVersion(): string | undefined {
  const report = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  return report.header.glibcVersionRuntime;
}

/** The machine's, or a container's limit where that is less. */
function totalBytes(): number {
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(totalmem(), limit);
}

/** With what the page cache would give back; macOS counts only pages that hold nothing, which says nothing. */
function availableBytes(): number | undefined {
  return process.platform === "darwin" ? undefined : process.availableMemory();
}
