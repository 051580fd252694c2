import { open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { makeDirectory } from "../make-directory.js";
import type { FileHash } from "./file-hash.js";
import { readJsonFile } from "./json-file.js";
import { parseWith } from "./schema-error.js";

/** Directory inside a model directory that holds what punie writes about it. */
export const PUNIE_DIRECTORY = ".punie";

/** Largest manifest that is read: 100,000 files. */
const MAX_MANIFEST_BYTES = 32 * 1024 * 1024;

const size = z.number({ error: "expected a size in bytes" }).int().min(0);

const fileHash: z.ZodType<FileHash> = z.discriminatedUnion("type", [
  z.object({ type: z.literal("sha256"), value: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits") }),
  z.object({
    type: z.literal("git-sha1"),
    value: z.string().regex(/^[0-9a-f]{40}$/, "expected 40 hexadecimal digits"),
  }),
]);

/** A directory may come from anybody, with its manifest: what this names is read, and removed when it is obsolete. */
const path = z
  .string()
  .refine(
    (path) => path.split(/[\\/]/).every((part) => part !== "" && part !== "." && part !== "..") && !path.includes("\0"),
    { error: "expected a path inside the model's directory" },
  );

const manifestFields = z.object(
  {
    version: z.literal(1, { error: "expected 1: written by another version of punie" }),
    repo: z.string({ error: "expected ORG/NAME" }),
    revision: z.string({ error: "expected a branch, tag or commit" }),
    commit: z.string({ error: "expected a commit" }),
    include: z.array(z.string()).optional(),
    exclude: z.array(z.string()).optional(),
    files: z.array(z.object({ path, size, hash: fileHash }), { error: "expected a list of files" }),
  },
  { error: "expected an object" },
);

/** `.punie/manifest.json`: written last, so that its presence says that the download is whole. */
export type Manifest = z.output<typeof manifestFields>;

export function manifestPath(directory: string): string {
  return join(directory, PUNIE_DIRECTORY, "manifest.json");
}

/**
 * @returns undefined when the directory has none.
 * @throws PunieError `MODEL_CORRUPT`, naming the manifest, when it isn't one.
 */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const path = manifestPath(directory);
  const json = await readJsonFile(path, MAX_MANIFEST_BYTES);
  return json === undefined ? undefined : parseWith(manifestFields, json, path);
}

/** Replaces the manifest by a rename, on disk before it is seen: a power cut leaves the old or the new one. */
export async function writeManifest(directory: string, manifest: Manifest): Promise<void> {
  const path = manifestPath(directory);
  await writeFileDurably(path, `${JSON.stringify(manifest, null, 2)}\n`);
  await syncDirectory(dirname(path));
}

/** Writes a small file by way of a temporary one beside it: after a power cut it is the old or the new one, whole. */
export async function writeFileDurably(path: string, text: string): Promise<void> {
  await makeDirectory(dirname(path));
  const temporary = `${path}.new`;
  const file = await open(temporary, "w");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** So that a power cut doesn't undo what was made, renamed or removed in it. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    // Some file systems refuse it, and then it isn't needed.
    await directory.sync().catch(() => undefined);
  } finally {
    await directory.close();
  }
}
