import { type FileHandle, mkdir, open, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { downloadModel } from "../../src/hub/download-model.js";
import type { OpenFile } from "../../src/hub/partial-file.js";
import { isModelThere } from "../../src/models/completeness.js";
import { type Fault, type SeenRequest, sha256 } from "../helpers/fake-hub.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";
import { modelFiles } from "../helpers/fake-model.js";

const setup = setUpHub();
const WEIGHTS = "model.safetensors";

/** Answers of the second host go wrong: the first so many times. */
function failWeights(fault: Fault, times = Number.POSITIVE_INFINITY): void {
  let left = times;
  setup.hub.fault = (seen: SeenRequest) => {
    if (seen.host !== "cdn" || left <= 0) return undefined;
    left -= 1;
    return fault;
  };
}

function weightRanges(): (string | undefined)[] {
  return setup.hub.requests.filter(({ host }) => host === "cdn").map(({ range }) => range);
}

const PASSING: [string, Fault, number][] = [
  ["a connection cut inside a file", { cutAfter: 100_000 }, 2],
  ["a connection cut before its first byte", { cutAfter: 0 }, 2],
  ["a connection that is reset", { resetAfter: 90_000 }, 2],
  ["a connection that only drips", { dripAfter: 50_000 }, 1],
  ["a name that isn't known", { status: 302, headers: { Location: "http://punie.invalid/x" } }, 2],
  ["503", { status: 503 }, 2],
  ["500", { status: 500 }, 2],
  ["429 with Retry-After", { status: 429, headers: { "Retry-After": "0" } }, 2],
  ["an address that ran out", { status: 403 }, 2],
  ["a stalled connection", { stallAfter: 50_000 }, 1],
  ["one wrong byte", { corrupt: true }, 1],
  ["a server that ignores ranges", { ignoreRange: true }, Number.POSITIVE_INFINITY],
  ["a cut connection of a server that ignores ranges", { ignoreRange: true, cutAfter: 90_000 }, 2],
  ["a page in the file's place", { status: 200, body: "<html>log in</html>" }, 1],
  ["another range than was asked for", { headers: { "Content-Range": "bytes 5-9/300000" } }, 1],
];

test.each(PASSING)("comes through %s", async (_name, fault, times) => {
  failWeights(fault, times);
  await downloadModel(NAME, setup.options({ stallMs: 300 }));
  await setup.expectWhole();
});

test.each<[string, Fault, string]>([
  ["503 for ever", { status: 503 }, "HUB_UNREACHABLE"],
  ["connections cut for ever", { cutAfter: 0 }, "HUB_UNREACHABLE"],
  ["wrong bytes for ever", { corrupt: true }, "HUB_CORRUPT"],
  ["another length than is listed", { headers: { "Content-Range": "bytes 0-9/10" } }, "HUB_CORRUPT"],
  ["connections that only drip", { dripAfter: 0 }, "HUB_UNREACHABLE"],
  ["a body that goes on after its end", { ignoreRange: true, extraBytes: 10_000_000 }, "HUB_CORRUPT"],
  ["compressed bytes", { headers: { "Content-Encoding": "br" } }, "HUB_CORRUPT"],
  ["a redirect without end", { status: 302, headers: { Location: "?again" } }, "HUB_CORRUPT"],
  ["a redirect to nowhere", { status: 302, headers: { Location: "ftp://127.0.0.1/" } }, "HUB_CORRUPT"],
])("gives up on %s, and the model doesn't count", async (_name, fault, code) => {
  failWeights(fault);
  await expect(downloadModel(NAME, setup.options({ stallMs: 300 }))).rejects.toMatchObject({ code });
  expect(await isModelThere(setup.directory)).toBe(false);
  const left = await readdir(setup.directory).catch(() => [".punie"]);
  expect(left).toEqual([".punie"]);
});

test("a file that is listed shorter or longer than it is gives HUB_CORRUPT", async () => {
  const { length } = setup.files[WEIGHTS] as Buffer;
  for (const size of [length - 10, length + 10]) {
    setup.hub.repositories[NAME] = { files: setup.files, listedSizes: { [WEIGHTS]: size } };
    await expect(downloadModel(NAME, setup.options())).rejects.toMatchObject({ code: "HUB_CORRUPT" });
  }
});

test("after a cut it goes on at the byte where it stopped", async () => {
  failWeights({ cutAfter: 100_000 }, 1);
  const { fetchedBytes, bytes } = await downloadModel(NAME, setup.options());
  expect(weightRanges()[1]).toMatch(/^bytes=100000-/);
  expect(fetchedBytes).toBe(bytes);
});

test("asks again when the whole file comes where a part was asked for, before it takes it", async () => {
  const { length } = setup.files[WEIGHTS] as Buffer;
  const options = setup.options({ partBytes: 100_000, connections: 1 });
  failWeights({ ignoreRange: true }, 2);
  const { fetchedBytes, bytes } = await downloadModel(NAME, options);
  expect(fetchedBytes).toBe(bytes);
  failWeights({ ignoreRange: true });
  const whole = await downloadModel(NAME, { ...options, force: true });
  expect(whole.fetchedBytes).toBe(bytes);
  expect(weightRanges().at(-1)).toBe("bytes=0-99999");
  expect(length).toBeGreaterThan(200_000);
  await setup.expectWhole();
});

test("what came rightly stays when a server sends the whole file, damaged there, later", async () => {
  const length = (setup.files[WEIGHTS] as Buffer).length;
  let answers = 0;
  // The middle byte is the wrong one, and is among the first two parts.
  setup.hub.fault = ({ host }) => (host === "cdn" && ++answers > 2 ? { ignoreRange: true, corrupt: true } : undefined);
  const partBytes = Math.ceil(length * 0.3);
  const retry = { attempts: 20, baseMs: 1 };
  const { path } = await downloadModel(NAME, setup.options({ partBytes, connections: 1, retry }));
  expect(sha256(await readFile(join(path, WEIGHTS)))).toBe(sha256(setup.files[WEIGHTS] as Buffer));
});

test("a later call goes on inside the file: nothing that came is fetched again", async () => {
  failWeights({ cutAfter: 100_000 });
  await expect(downloadModel(NAME, setup.options({ retry: { attempts: 1, baseMs: 1 } }))).rejects.toThrow();
  expect(await isModelThere(setup.directory)).toBe(false);
  setup.hub.fault = () => undefined;
  setup.hub.requests.length = 0;
  const { fetchedBytes, bytes } = await downloadModel(NAME, setup.options());
  expect(weightRanges()).toEqual([expect.stringMatching(/^bytes=100000-/)]);
  expect(fetchedBytes).toBeLessThanOrEqual(bytes - 100_000);
  expect(setup.events.at(-1)).toMatchObject({ type: "file" });
  await setup.expectWhole();
});

test("an abort keeps what came, rejects with its reason, and the next call goes on", async () => {
  failWeights({ stallAfter: 100_000 });
  const controller = new AbortController();
  const reason = new Error("enough");
  const onProgress = (event: { type: string; file?: string; fileBytes?: number }) => {
    if (event.file === WEIGHTS && event.fileBytes) controller.abort(reason);
  };
  const options = setup.options({ signal: controller.signal, onProgress });
  await expect(downloadModel(NAME, options)).rejects.toBe(reason);
  const partial = await readdir(join(setup.directory, ".punie", "download"));
  expect(partial).toContain(`${sha256(setup.files[WEIGHTS] as Buffer)}.json`);
  setup.hub.fault = () => undefined;
  const { fetchedBytes, bytes } = await downloadModel(NAME, setup.options());
  expect(fetchedBytes).toBeLessThan(bytes);
  await setup.expectWhole();
});

test("an aborted signal makes no request and no directory", async () => {
  const signal = AbortSignal.abort(new Error("before"));
  await expect(downloadModel(NAME, setup.options({ signal }))).rejects.toThrow("before");
  expect(setup.hub.requests).toHaveLength(0);
  await expect(stat(setup.modelsDir)).rejects.toMatchObject({ code: "ENOENT" });
});

/** Leaves a partial file behind, cut at 100,000 bytes. */
async function cutOnce(): Promise<{ part: string; map: string }> {
  failWeights({ cutAfter: 100_000 });
  await expect(downloadModel(NAME, setup.options({ retry: { attempts: 1, baseMs: 1 } }))).rejects.toThrow();
  setup.hub.fault = () => undefined;
  const path = join(setup.directory, ".punie", "download", sha256(setup.files[WEIGHTS] as Buffer));
  return { part: `${path}.part`, map: `${path}.json` };
}

test.each([
  ["is cut short", "part", Buffer.alloc(10)],
  ["has a wrong byte", "part", Buffer.alloc(100_000, 7)],
  ["has a map that isn't JSON", "map", Buffer.from("{")],
  ["has a map of another size", "map", Buffer.from('{"size":5,"done":[[0,5]]}')],
  ["has a map that claims more than there is", "map", Buffer.from('{"size":300088,"done":[[0,300088]]}')],
] as const)("a partial file that %s starts anew", async (_name, which, content) => {
  const paths = await cutOnce();
  await writeFile(paths[which], content);
  await downloadModel(NAME, setup.options());
  await setup.expectWhole();
});

test("a file that has changed on the Hub starts anew, one that hasn't goes on", async () => {
  await cutOnce();
  const changed = { ...setup.files, "config.json": Buffer.from('{"model_type":"llama"}') };
  setup.files = changed;
  setup.hub.repositories[NAME] = { files: changed };
  setup.hub.requests.length = 0;
  await downloadModel(NAME, setup.options());
  expect(weightRanges()).toEqual([expect.stringMatching(/^bytes=100000-/)]);

  setup.files = { ...changed, [WEIGHTS]: modelFiles(200_000)[WEIGHTS] as Buffer };
  setup.hub.repositories[NAME] = { files: setup.files };
  setup.hub.requests.length = 0;
  await downloadModel(NAME, setup.options({ update: true }));
  expect(weightRanges()).toEqual([expect.stringMatching(/^bytes=0-/)]);
  await setup.expectWhole();
});

/** A file system on which writing fails after so many bytes of one file. */
function fullAfter(bytes: number, code: string): OpenFile {
  return async (path, flags) => {
    const file = await open(path, flags);
    const writev = file.writev.bind(file);
    const limited = async (pieces: Uint8Array[], position: number) => {
      if (position >= bytes) throw Object.assign(new Error(`${code}: no`), { code, path });
      // As a system does: as much as there is room for.
      return await writev([Buffer.concat(pieces).subarray(0, bytes - position)], position);
    };
    return Object.assign(file, { writev: limited }) as FileHandle;
  };
}

test.each([
  ["ENOSPC", "DISK_FULL"],
  ["EDQUOT", "DISK_FULL"],
  ["EROFS", "INVALID_OPTION"],
  ["EACCES", "INVALID_OPTION"],
  ["EIO", "INVALID_OPTION"],
])("%s while writing gives %s, names the path, and keeps what came", async (code, expected) => {
  const failing = downloadModel(NAME, setup.options({ openFile: fullAfter(150_000, code) }));
  await expect(failing).rejects.toMatchObject({ code: expected, message: expect.stringContaining(setup.directory) });
  setup.hub.requests.length = 0;
  const { fetchedBytes, bytes } = await downloadModel(NAME, setup.options());
  expect(fetchedBytes).toBeLessThan(bytes);
  await setup.expectWhole();
});

test("a file larger than the disk is refused before anything is fetched, with the bytes that are missing", async () => {
  setup.hub.repositories[NAME] = { files: setup.files, listedSizes: { [WEIGHTS]: 2 ** 52 } };
  const failing = downloadModel(NAME, setup.options());
  await expect(failing).rejects.toMatchObject({ code: "DISK_FULL", message: expect.stringMatching(/\d+ are missing/) });
  expect(weightRanges()).toEqual([]);
  await expect(stat(setup.directory)).rejects.toMatchObject({ code: "ENOENT" });
});

test("a disk that fills up meanwhile is told of before it is full, and what came is kept", async () => {
  let free = 2 ** 40;
  const freeBytes = async () => free;
  const onProgress = ({ type }: { type: string }) => {
    if (type === "progress") free = 10;
  };
  // 300 kB at 100 kB/s: the disk is asked again each second.
  const failing = downloadModel(NAME, setup.options({ freeBytes, onProgress, maxRate: 100_000 }));
  await expect(failing).rejects.toMatchObject({ code: "DISK_FULL", message: expect.stringMatching(/\d+ are missing/) });
  const { fetchedBytes, bytes } = await downloadModel(NAME, setup.options());
  expect(fetchedBytes).toBeLessThan(bytes - 100_000);
  await setup.expectWhole();
});

test("a link where a partial file should be is not written through", async () => {
  const staging = join(setup.directory, ".punie", "download");
  const victim = join(setup.home, "victim");
  await mkdir(staging, { recursive: true });
  await writeFile(victim, "untouched");
  await symlink(victim, join(staging, `${sha256(setup.files[WEIGHTS] as Buffer)}.part`));
  await expect(downloadModel(NAME, setup.options())).rejects.toMatchObject({ code: "INVALID_OPTION" });
  expect(await readFile(victim, "utf8")).toBe("untouched");
});

test("a rate limit holds the whole download back", async () => {
  const started = performance.now();
  await downloadModel(NAME, setup.options({ maxRate: 1_000_000 }));
  // 300 kB at 1 MB/s: 0.3 s, and no upper bound.
  expect(performance.now() - started).toBeGreaterThan(250);
  await setup.expectWhole();
});

test("the map is written while bytes come, also when no single segment lasts long", async () => {
  setup.files = modelFiles(70_000_000);
  setup.hub.repositories[NAME] = { files: setup.files };
  const map = join(setup.directory, ".punie", "download", `${sha256(setup.files[WEIGHTS] as Buffer)}.json`);
  const sizes: number[] = [];
  const onProgress = () => {
    stat(map).then(
      ({ size }) => sizes.push(size),
      () => undefined,
    );
  };
  // 70 MB at 20 MB/s on one connection: three segments of less than two seconds each.
  await downloadModel(NAME, setup.options({ maxRate: 20_000_000, connections: 1, onProgress }));
  expect(sizes.length).toBeGreaterThan(0);
  await setup.expectWhole();
});
