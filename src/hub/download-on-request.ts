/** The package's `downloadModel`. The Hub's libraries take most of a second to import: only who downloads pays. */
import type { DownloadResult } from "./download-model.js";
import type { DownloadOptions } from "./download-options.js";

/**
 * Fetches a model's snapshot from the Hub into the models directory, resuming what an earlier run left.
 * @throws PunieError `INVALID_OPTION`, `HUB_UNREACHABLE`, `HUB_NOT_FOUND`, `HUB_DENIED`, `HUB_CORRUPT`, `DISK_FULL`,
 * `DOWNLOAD_LOCKED`; the signal's reason.
 */
export async function downloadModel(name: string, options: DownloadOptions = {}): Promise<DownloadResult> {
  const hub = await import("./download-model.js");
  return hub.downloadModel(name, options);
}
