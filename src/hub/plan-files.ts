import { stat } from "node:fs/promises";
import { join } from "node:path";
import { PunieError } from "../errors.js";
import type { Completeness } from "../models/completeness.js";
import type { PlannedFile } from "./download-events.js";
import type { Session } from "./download-session.js";
import type { HubFile } from "./hub-client.js";
import { isCached, isInPlace, isStaged } from "./local-copies.js";
import { resumableBytes } from "./partial-file.js";
import { checkPaths } from "./safe-path.js";
import { selectFiles } from "./select-files.js";

/** Files wanted at a commit, and how much of each is there. */
export interface FilePlan {
  commit: string;
  /** All wanted files. */
  files: HubFile[];
  /** Those that don't lie in their places. */
  missing: HubFile[];
  planned: PlannedFile[];
  totalBytes: number;
  haveBytes: number;
}

/** A repository may list more; as many selected files are no model. */
const MAX_SELECTED = 10_000;

/** Lists, selects and checks the files of a commit, and looks at what is there. Writes nothing. */
export async function planFiles(session: Session, commit: string, found: Completeness): Promise<FilePlan> {
  const { repository, options } = session;
  const listed = await session.client().files(commit);
  const selected = new Set(selectFiles(listed, options, repository));
  const held = new Set("manifest" in found ? found.manifest?.files.map((file) => file.path) : []);
  // What is here already stays, and stays of one commit with the rest, whatever this call selects.
  const files = listed.filter((file) => selected.has(file) || held.has(file.path));
  if (files.length > MAX_SELECTED) {
    throw new PunieError(
      "HUB_CORRUPT",
      `'${repository}' has ${files.length} files to fetch, more than ${MAX_SELECTED}.`,
    );
  }
  checkPaths(
    files.map((file) => file.path),
    repository,
  );
  const plan: FilePlan = { commit, files, missing: [], planned: [], totalBytes: 0, haveBytes: 0 };
  for (const file of files) {
    const have = await bytesThere(session, file, found);
    const inPlace = have === IN_PLACE;
    const entry = { path: file.path, size: file.size, have: inPlace ? file.size : have };
    plan.planned.push(entry);
    plan.totalBytes += file.size;
    plan.haveBytes += entry.have;
    if (!inPlace) plan.missing.push(file);
  }
  return plan;
}

const IN_PLACE = -1;

async function bytesThere(session: Session, file: HubFile, found: Completeness): Promise<number> {
  const { directory, staging, options, signal } = session;
  if (options.force) return 0;
  const isMixture = found.state === "partial" && found.isMixture;
  const manifest = "manifest" in found && !isMixture ? found.manifest : undefined;
  if (await isInPlace(directory, file, manifest, signal)) return IN_PLACE;
  if (found.state === "by-hand") await refuseToReplace(session, file);
  const isHere = (await isStaged(staging, file)) || (await isCached(session.cache, session.repository, file));
  return isHere ? file.size : await resumableBytes(staging, file);
}

/** What a user put there by hand may be their own work. */
async function refuseToReplace({ directory, repository }: Session, file: HubFile): Promise<void> {
  const path = join(directory, file.path);
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (!isThere) return;
  throw new PunieError(
    "INVALID_OPTION",
    `${path} was not put there by punie and differs from that of '${repository}'. ` +
      "Use --force to replace it, or move the directory away.",
  );
}
