/**
 * The MLX model directory that stands for a GGUF file: made when the file is first loaded, kept in the models directory,
 * and made anew when the file is another one.
 */
import { createHash, randomUUID } from "node:crypto";
import { readdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PunieError } from "../../errors.js";
import { shellQuote } from "../../models/download-command.js";
import { absolutePath, modelsDirectory } from "../../models/places.js";
import { errorCode } from "../../models/system-error.js";
import type { NativeBinding } from "../../native/binding-types.js";
import { convertModel } from "../convert-model.js";
import type { ImportOptions } from "./import-gguf.js";

export interface ImportedOptions extends ImportOptions {
  /** Default: `PUNIE_MODELS_DIR`, else `~/.cache/punie/models`. */
  modelsDir?: string | undefined;
}

/** Beside the models that were downloaded; a repository's directory never begins with a dot. */
const IMPORTS = ".gguf";
/** In a file's directory of imports: the file's path. */
const SOURCE = ".source";
/** Goes up when imports of before would no longer do. */
const FORMAT = 1;

/**
 * @param file An absolute path.
 * @throws PunieError as `convertModel` does; the signal's reason.
 */
export async function importedGguf(
  binding: () => NativeBinding,
  file: string,
  options: ImportedOptions = {},
): Promise<string> {
  const { parent, directory } = await placeOf(file, options.modelsDir);
  if (!(await isDirectory(directory))) {
    try {
      await convertModel(binding(), file, directory, options);
    } catch (error) {
      // Another process may have been faster.
      if (!(await isDirectory(directory))) throw withAdvice(error, file);
    }
    await removeOthers(parent, directory);
    await writeSource(parent, await realpath(file));
    await removeOrphans(dirname(parent));
  }
  return directory;
}

/** By a rename: whoever clears up beside must not read half a path, which no file has. */
async function writeSource(parent: string, path: string): Promise<void> {
  const temporary = join(parent, `${SOURCE}-${randomUUID()}`);
  await writeFile(temporary, path);
  await rename(temporary, join(parent, SOURCE));
}

/** What is kept of a file, or undefined. @throws PunieError `MODEL_NOT_FOUND` */
export async function findImport(file: string, modelsDir: string | undefined): Promise<string | undefined> {
  const path = absolutePath(file);
  const there = await realpath(path).catch((cause) => {
    throw new PunieError("MODEL_NOT_FOUND", `${file}: there is no such file.`, { cause });
  });
  const { parent } = await placeOf(there, modelsDir);
  return (await isDirectory(parent)) ? parent : undefined;
}

/** The directory of all imports of a file, with the one of the file as it is now, there or not. */
async function placeOf(file: string, modelsDir: string | undefined) {
  const path = await realpath(file);
  const { size, mtimeNs, ino } = await stat(path, { bigint: true });
  const key = createHash("sha256").update(path).digest("hex").slice(0, 16);
  const parent = join(modelsDirectory(modelsDir), IMPORTS, `${basename(path, ".gguf").slice(0, MAX_NAME)}-${key}`);
  return { parent, directory: join(parent, `${FORMAT}-${size}-${mtimeNs}-${ino}`) };
}

const MAX_NAME = 80;

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** Imports of files that are gone: nothing else would ever remove them. */
async function removeOrphans(imports: string): Promise<void> {
  for (const name of await readdir(imports)) {
    const source = await readFile(join(imports, name, SOURCE), "utf8").catch(() => undefined);
    if (source === undefined) continue;
    const isGone = await stat(source).then(
      () => false,
      (error) => errorCode(error) === "ENOENT",
    );
    if (isGone) await rm(join(imports, name), { recursive: true, force: true });
  }
}

/** Of the file as it was before. A process that has one of them loaded keeps its files open. */
async function removeOthers(parent: string, kept: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const other = join(parent, name);
    if (other !== kept && !name.startsWith(".")) await rm(other, { recursive: true, force: true });
  }
}

/** Where the models directory has no room, the user can choose a place. */
function withAdvice(error: unknown, file: string): unknown {
  if (!(error instanceof PunieError) || !["DISK_FULL", "INVALID_OPTION"].includes(error.code)) return error;
  const command = `punie convert ${shellQuote(file)} --output DIR`;
  return new PunieError(
    error.code,
    `${error.message} A GGUF file is imported into the models directory when it is first loaded; ` +
      `choose another with --models-dir, or import it yourself: ${command}`,
    { cause: error },
  );
}
