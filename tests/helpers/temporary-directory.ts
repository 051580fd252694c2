/** Directories that go away with the tests of the file that made them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

const made: string[] = [];
afterAll(() => Promise.all(made.map((directory) => rm(directory, { recursive: true, force: true }))));

/** An empty directory, whose name begins with `punie-` and `what`. */
export async function temporaryDirectory(what: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `punie-${what}-`));
  made.push(directory);
  return directory;
}
