/** Python's huggingface_hub, of one version, installed once into build/ by pip. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const VERSION = "2.4.0";
const DIRECTORY = fileURLToPath(new URL(`../../build/huggingface_hub-${VERSION}`, import.meta.url));
const SCRIPT = fileURLToPath(new URL("hub_client.py", import.meta.url));

const run = promisify(execFile);

/** What hub_client.py found: of each question the answer, or the name of the exception. */
export type PythonAnswers = Record<string, string>;

/** Rejects with what pip says when it can't be had. */
export async function installPythonHub(): Promise<void> {
  if (existsSync(DIRECTORY)) return;
  const unfinished = `${DIRECTORY}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", unfinished];
  await run("python3", [...pip, `huggingface_hub==${VERSION}`]);
  await rename(unfinished, DIRECTORY).catch(async () => await rm(unfinished, { recursive: true, force: true }));
}

/** Runs hub_client.py with these arguments. Nothing of the caller's own token or cache reaches it. */
export async function askPythonHub(endpoint: string, home: string, ...args: string[]): Promise<PythonAnswers> {
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: home,
    PYTHONPATH: DIRECTORY,
    HF_ENDPOINT: endpoint,
    HF_HUB_DISABLE_TELEMETRY: "1",
    // The fake has no Xet storage behind it.
    HF_HUB_DISABLE_XET: "1",
  };
  const { stdout } = await run("python3", [SCRIPT, ...args], { env });
  return JSON.parse(stdout) as PythonAnswers;
}
