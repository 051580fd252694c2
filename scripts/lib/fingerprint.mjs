import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { paths } from "./paths.mjs";

/** Every file under a directory, sorted, as paths; a file gives itself, a missing path nothing. */
export function filesUnder(start) {
  const stat = fs.statSync(start, { throwIfNoEntry: false });
  if (!stat) return [];
  if (!stat.isDirectory()) return [start];
  return fs
    .readdirSync(start, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) =>
      entry.isDirectory() ? filesUnder(path.join(start, entry.name)) : [path.join(start, entry.name)],
    );
}

/**
 * A hash that changes when a file under `inputs` is added, removed or written, or a value in `settings` changes.
 * By time and size, not content: it must cost milliseconds.
 */
export function fingerprint(inputs, settings = {}) {
  const hash = crypto.createHash("sha256").update(JSON.stringify(settings));
  for (const file of inputs.flatMap(filesUnder)) {
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    hash.update(`\n${file} ${stat?.mtimeMs} ${stat?.size}`);
  }
  return hash.digest("hex");
}

/** True when the step `name` was last completed with this fingerprint. */
export function isDone(name, print) {
  try {
    return fs.readFileSync(stampFile(name), "utf8") === print;
  } catch {
    return false;
  }
}

/** Records that the step `name` is complete; called last, so that an interrupted step is never taken for done. */
export function markDone(name, print) {
  fs.mkdirSync(paths.stamps, { recursive: true });
  fs.writeFileSync(stampFile(name), print);
}

function stampFile(name) {
  return path.join(paths.stamps, name);
}
