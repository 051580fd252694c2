import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { readAvailableMemory } from "../../../src/memory/available-memory.js";

const MIB = 2 ** 20;
/** Of this made-up machine: 8 GiB, 6 of them available. */
const MACHINE = {
  "proc/meminfo": "MemTotal:        8388608 kB\nMemFree:  1000 kB\nMemAvailable:    6291456 kB\n",
  "proc/self/cgroup": "0::/\n",
};
const WHOLE = { totalBytes: 8192 * MIB, availableBytes: 6144 * MIB, of: "machine" };

const roots: string[] = [];
afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true });
});

async function read(files: Record<string, string>) {
  const root = await mkdtemp(join(tmpdir(), "punie-memory-"));
  roots.push(root);
  for (const [name, text] of Object.entries({ ...MACHINE, ...files })) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
  return readAvailableMemory(root);
}

/** A group of version 2 with a limit, and how much of it is used, by files and in all. */
const group = (path: string, limit: number | "max", used: number, files: number) => ({
  [`sys/fs/cgroup${path}/memory.max`]: `${limit}\n`,
  [`sys/fs/cgroup${path}/memory.current`]: `${used}\n`,
  [`sys/fs/cgroup${path}/memory.stat`]: `anon ${used - files}\ninactive_file ${files / 2}\nactive_file ${files / 2}\n`,
});

describe("the memory that is available", () => {
  it("is the machine's without a limit", async () => {
    expect(await read({})).toEqual(WHOLE);
    expect(await read({ "proc/self/cgroup": "0::/app\n", ...group("/app", "max", 10, 0) })).toEqual(WHOLE);
  });

  it("is what a container's limit leaves, where files in memory don't count as used", async () => {
    const found = await read(group("", 1024 * MIB, 700 * MIB, 500 * MIB));
    expect(found).toEqual({ totalBytes: 1024 * MIB, availableBytes: 824 * MIB, of: "container" });
  });

  it("is the machine's where that is less than what a limit leaves", async () => {
    expect(await read(group("", 7000 * MIB, 10 * MIB, 0))).toEqual(WHOLE);
  });

  it("is what the tightest of the groups that hold this one leaves", async () => {
    const nested = { "proc/self/cgroup": "0::/pod/app\n", ...group("/pod/app", "max", 10, 0) };
    const found = await read({ ...nested, ...group("/pod", 512 * MIB, 112 * MIB, 0) });
    expect(found).toEqual({ totalBytes: 512 * MIB, availableBytes: 400 * MIB, of: "container" });
  });

  it("is found where the path is the host's and the mount the container's", async () => {
    const outside = { "proc/self/cgroup": "0::/../../host/docker-1\n", ...group("", 512 * MIB, 12 * MIB, 0) };
    expect(await read(outside)).toMatchObject({ availableBytes: 500 * MIB, of: "container" });
  });

  it("is found in version 1, whose unlimited is a large number", async () => {
    const base = "sys/fs/cgroup/memory/docker/x";
    const files = {
      "proc/self/cgroup": "4:cpu,cpuacct:/\n3:memory:/docker/x\n0::/\n",
      [`${base}/memory.limit_in_bytes`]: `${256 * MIB}`,
      [`${base}/memory.usage_in_bytes`]: `${156 * MIB}`,
      [`${base}/memory.stat`]: `inactive_file 1\ntotal_inactive_file ${20 * MIB}\ntotal_active_file ${30 * MIB}\n`,
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
    };
    const limited = { totalBytes: 256 * MIB, availableBytes: 150 * MIB, of: "container" };
    expect(await read(files)).toEqual(limited);
    expect(await read({ ...files, [`${base}/memory.limit_in_bytes`]: "9223372036854771712" })).toEqual(WHOLE);
  });

  it("comes with how long tasks have waited for memory, the container's own where there is one", async () => {
    const stalls = (some: number, all: number) =>
      `some avg10=${some}.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=${all}.50 avg60=0.00 avg300=0.00 total=0\n`;
    const machine = { "proc/pressure/memory": stalls(3, 1) };
    expect(await read(machine)).toEqual({ ...WHOLE, stalled: { some: 3, all: 1.5 } });
    const limited = group("", 1024 * MIB, 0, 0);
    const own = await read({ ...machine, ...limited, "sys/fs/cgroup/memory.pressure": stalls(40, 20) });
    expect(own.stalled).toEqual({ some: 40, all: 20.5 });
    expect((await read({ ...machine, ...limited })).stalled).toEqual({ some: 3, all: 1.5 });
  });

  it("is told of this machine", async () => {
    const { totalBytes, availableBytes } = await readAvailableMemory();
    expect(availableBytes).toBeGreaterThan(0);
    expect(availableBytes).toBeLessThanOrEqual(totalBytes);
  });
});
