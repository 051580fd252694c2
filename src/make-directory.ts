import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes the directory and those above it that are missing. As `mkdir` with `recursive`, but for two things: that one
 * tells of a read-only file system as a path that is missing, and never ends where the system won't have a directory
 * below one that is there (`/proc/x`).
 *
 * @param mode Of each that is made. Default 0o777 less the umask.
 */
export async function makeDirectory(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (await isDirectory(path)) return;
    const parent = dirname(path);
    if ((error as { code?: string }).code !== "ENOENT" || parent === path) throw error;
    if (!(await isDirectory(parent))) await makeDirectory(parent, mode);
    await mkdir(path, { mode }).catch(async (again: unknown) => {
      if (!(await isDirectory(path))) throw again;
    });
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
