import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { installingMarker } from "../models/completeness.js";
import { type Manifest, syncDirectory, writeManifest } from "../models/manifest.js";
import type { HubFile } from "./hub-client.js";
import { putInPlace } from "./local-copies.js";
import { refuseLinkedParents } from "./safe-path.js";

/**
 * Moves verified files to their places and writes the manifest. A marker stands meanwhile, so that a directory in which
 * this was cut off doesn't count as a model; running it again completes it.
 *
 * @param files Those that lie in `staging`.
 * @param manifest What the directory holds afterwards.
 * @param previous What it held before: its files that aren't in `manifest` are removed.
 */
export async function installFiles(
  directory: string,
  staging: string,
  files: readonly HubFile[],
  manifest: Manifest,
  previous: Manifest | undefined,
): Promise<void> {
  const obsolete = obsoletePaths(manifest, previous);
  const written = manifest.files.map((file) => file.path);
  for (const path of [...written, ...obsolete]) await refuseLinkedParents(directory, path);
  const marker = installingMarker(directory);
  await writeFile(marker, "");
  const uses = new Map<string, number>();
  for (const { hash } of files) uses.set(hash.value, (uses.get(hash.value) ?? 0) + 1);
  for (const file of files) {
    const left = (uses.get(file.hash.value) ?? 1) - 1;
    uses.set(file.hash.value, left);
    await putInPlace(staging, file, join(directory, file.path), left === 0);
  }
  for (const folder of new Set(files.map((file) => dirname(join(directory, file.path))))) await syncDirectory(folder);
  // While the old manifest still names them.
  for (const path of obsolete) await rm(join(directory, path), { force: true });
  await writeManifest(directory, manifest);
  await rm(staging, { recursive: true, force: true });
  // Last: whatever is cut off before is done again.
  await rm(marker);
}

function obsoletePaths(manifest: Manifest, previous: Manifest | undefined): string[] {
  const kept = new Set(manifest.files.map((file) => file.path));
  return (previous?.files ?? []).map((file) => file.path).filter((path) => !kept.has(path));
}
