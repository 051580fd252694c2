/** Which models are on this machine. */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { ModelNotDownloadedError, PunieError } from "../../errors.js";
import { formatBytes } from "../../format-bytes.js";
import { DEFAULT_MODEL } from "../../models/catalog.js";
import { downloadCommand } from "../../models/download-command.js";
import { listModels } from "../../models/list-models.js";
import { modelsDirectory } from "../../models/places.js";
import { resolveModel } from "../../models/resolve-model.js";
import type { Check } from "./check.js";

/** @param modelsDir As it was given. */
export async function checkModels(modelsDir: string | undefined): Promise<Check> {
  const directory = modelsDirectory(modelsDir);
  try {
    const models = await listModels({ modelsDir });
    const values = { directory, models };
    if (models.length === 0) {
      const advice = `Download one with: ${downloadCommand(DEFAULT_MODEL, modelsDir)}`;
      return { name: "models", status: "warning", found: `No models in ${directory}`, advice, values };
    }
    const lines = models.map(
      ({ name, bytes, complete }) => `${name} (${formatBytes(bytes)}${complete ? "" : ", not finished"})`,
    );
    const found = [`${models.length} in ${directory} and the Hugging Face cache:`, ...lines].join("\n");
    const partial = models.filter(({ complete }) => !complete);
    if (partial.length === 0) return { name: "models", status: "ok", found, values };
    const advice = partial.map(({ name }) => `Finish it with: ${downloadCommand(name, modelsDir)}`).join("\n");
    return { name: "models", status: "warning", found, advice, values };
  } catch (error) {
    if (!(error instanceof PunieError)) throw error;
    return {
      name: "models",
      status: "warning",
      found: error.message,
      advice: "Choose another place with --models-dir.",
    };
  }
}

/** The model that a command uses when none is named. */
export async function checkChosenModel(modelsDir: string | undefined): Promise<Check> {
  try {
    const { name, path } = await resolveModel(undefined, { modelsDir });
    return { name: "model", status: "ok", found: `${name} is what is used when none is named`, values: { name, path } };
  } catch (error) {
    if (error instanceof ModelNotDownloadedError) {
      const found = `${error.model} is what is used when none is named, and is not downloaded`;
      const values = { name: error.model };
      return { name: "model", status: "warning", found, advice: `Download it with: ${error.command}`, values };
    }
    if (!(error instanceof PunieError)) throw error;
    return {
      name: "model",
      status: "warning",
      found: error.message,
      advice: "Set PUNIE_MODEL to another, or unset it.",
    };
  }
}

/** The default model's weights and a little. */
const COMFORTABLE_BYTES = 6 * 2 ** 30;

export async function checkDisk(modelsDir: string | undefined): Promise<Check> {
  const directory = modelsDirectory(modelsDir);
  const { bavail, bsize } = await statfs(await nearestThatIs(directory));
  const freeBytes = bavail * bsize;
  const check = { name: "disk", found: `${formatBytes(freeBytes)} free for models`, values: { directory, freeBytes } };
  if (freeBytes >= COMFORTABLE_BYTES) return { ...check, status: "ok" };
  return {
    ...check,
    status: "warning",
    advice: "The default model takes 4.3 GB: make room, or choose another place with --models-dir or PUNIE_MODELS_DIR.",
  };
}

/** The models directory is made by the first download. */
async function nearestThatIs(directory: string): Promise<string> {
  try {
    await statfs(directory);
    return directory;
  } catch (error) {
    const parent = dirname(directory);
    if (parent === directory) throw error;
    return nearestThatIs(parent);
  }
}
