/** How much memory this process may still take: the machine's, or less where a container limits it. */
import { readFile } from "node:fs/promises";
import { freemem, totalmem } from "node:os";
import { join } from "node:path";

export interface AvailableMemory {
  totalBytes: number;
  /** Free, or taken by file contents that the system can drop. */
  availableBytes: number;
  /** Whose memory is the smaller. */
  of: "machine" | "container";
  /** Percent of the last ten seconds in which some task, and in which all, waited for memory. Undefined: not told. */
  stalled?: { some: number; all: number };
}

/** @param root Where `/proc` and `/sys` are looked for: for tests. */
export async function readAvailableMemory(root = "/"): Promise<AvailableMemory> {
  const [machine, container, stalled] = await Promise.all([
    readMachine(root),
    readContainer(root),
    readStalls(join(root, "proc/pressure/memory")),
  ]);
  const limited = container !== undefined && container.availableBytes < machine.availableBytes;
  const { stalled: own = stalled, ...memory } = limited ? container : machine;
  return { ...memory, ...(own && { stalled: own }), of: limited ? "container" : "machine" };
}

type Reading = Omit<AvailableMemory, "of">;

async function readMachine(root: string): Promise<Reading> {
  const fields = namedNumbers(await readText(join(root, "proc/meminfo")));
  const [total, available] = [fields.get("MemTotal"), fields.get("MemAvailable")];
  if (total !== undefined && available !== undefined) {
    return { totalBytes: total * 1024, availableBytes: available * 1024 };
  }
  // macOS counts what it could free at once as used: what is left to a program is a matter of what it presses out.
  const totalBytes = totalmem();
  return { totalBytes, availableBytes: process.platform === "darwin" ? totalBytes * 0.75 : freemem() };
}

/** Control groups of version 2, then of version 1, with what they call the same things. */
const HIERARCHIES = [
  {
    controller: "",
    mounts: ["sys/fs/cgroup", "sys/fs/cgroup/unified"],
    limit: "memory.max",
    usage: "memory.current",
    droppable: ["inactive_file", "active_file"],
  },
  {
    controller: "memory",
    mounts: ["sys/fs/cgroup/memory"],
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    droppable: ["total_inactive_file", "total_active_file"],
  },
] as const;

/** The tightest of the groups that this process is in, parents with it; undefined where none has a limit. */
async function readContainer(root: string): Promise<Reading | undefined> {
  const membership = await readText(join(root, "proc/self/cgroup"));
  const readings: Reading[] = [];
  for (const line of membership.split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const hierarchy = HIERARCHIES.find(({ controller }) => controllers?.split(",").includes(controller));
    if (!hierarchy || path === undefined) continue;
    // In a container the path may be the host's, while what is mounted begins at the container's own group.
    for (const mount of hierarchy.mounts) {
      for (const group of withParents(path)) {
        const reading = await readGroup(join(root, mount, group), hierarchy);
        if (reading) readings.push(reading);
      }
    }
  }
  return readings.sort((a, b) => a.availableBytes - b.availableBytes)[0];
}

function withParents(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "" && name !== "..");
  return Array.from({ length: names.length + 1 }, (_, i) => names.slice(0, names.length - i).join("/"));
}

async function readGroup(
  directory: string,
  { limit, usage, droppable }: (typeof HIERARCHIES)[number],
): Promise<Reading | undefined> {
  const totalBytes = Number.parseInt(await readText(join(directory, limit)), 10);
  // No limit is the word `max`, or a number beyond any machine.
  if (!(totalBytes > 0 && totalBytes < totalmem())) return undefined;
  const used = Number.parseInt(await readText(join(directory, usage)), 10);
  if (!Number.isFinite(used)) return undefined;
  const fields = namedNumbers(await readText(join(directory, "memory.stat")));
  const files = droppable.reduce((sum, name) => sum + (fields.get(name) ?? 0), 0);
  const stalled = await readStalls(join(directory, "memory.pressure"));
  const availableBytes = Math.max(0, totalBytes - Math.max(0, used - files));
  return { totalBytes, availableBytes, ...(stalled && { stalled }) };
}

async function readStalls(file: string): Promise<AvailableMemory["stalled"]> {
  const text = await readText(file);
  const average = (kind: string) => Number(new RegExp(`^${kind} avg10=([\\d.]+)`, "m").exec(text)?.[1]);
  const [some, all] = [average("some"), average("full")];
  return Number.isFinite(some) && Number.isFinite(all) ? { some, all } : undefined;
}

/** Lines such as `MemTotal:  123 kB` and `inactive_file 123`. */
function namedNumbers(text: string): Map<string, number> {
  return new Map(Array.from(text.matchAll(/^(\w+):?\s+(\d+)/gm), ([, name = "", value]) => [name, Number(value)]));
}

function readText(file: string): Promise<string> {
  return readFile(file, "utf8").catch(() => "");
}
