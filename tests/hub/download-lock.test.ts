import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { downloadModel } from "../../src/hub/download-model.js";
import { acquireLock, isLocked } from "../../src/models/directory-lock.js";
import { removeModel } from "../../src/models/remove-model.js";
import { NAME, setUpHub } from "../helpers/fake-hub-setup.js";
import { modelFiles } from "../helpers/fake-model.js";

const setup = setUpHub();
// Above what any system gives.
const DEAD_PID = 2 ** 30;

const DEAD_HERE = { id: "a", pid: DEAD_PID, host: hostname(), since: "" };
const ELSEWHERE = { id: "b", pid: DEAD_PID, host: "elsewhere", since: "" };

async function placeLock(holder: object | string, ageSeconds = 0): Promise<string> {
  const path = join(setup.directory, ".punie", "lock");
  await mkdir(dirname(path), { recursive: true });
  await placeFile(path, holder, ageSeconds);
  return path;
}

async function placeFile(path: string, holder: object | string, ageSeconds: number): Promise<void> {
  await writeFile(path, typeof holder === "string" ? holder : JSON.stringify(holder));
  const touched = new Date(Date.now() - ageSeconds * 1000);
  await utimes(path, touched, touched);
}

test("a second download of a model says who holds it, another model doesn't wait", async () => {
  const lock = await acquireLock(join(setup.directory, ".punie", "lock"), "test");
  setup.hub.repositories["org/other"] = { files: modelFiles(1000) };
  try {
    const failing = downloadModel(NAME, setup.options());
    await expect(failing).rejects.toMatchObject({
      code: "DOWNLOAD_LOCKED",
      message: expect.stringContaining(`process ${process.pid} on ${hostname()}`),
    });
    await downloadModel("org/other", setup.options());
  } finally {
    await lock.release();
  }
  await downloadModel(NAME, setup.options());
  await setup.expectWhole();
});

test.each<[string, object | string, number, boolean]>([
  ["a dead process here", DEAD_HERE, 0, true],
  ["a living process here", { id: "a", pid: process.pid, host: hostname(), since: "" }, 0, false],
  [
    "another process here that had the same number",
    { ...DEAD_HERE, pid: process.pid, started: "1" },
    0,
    process.platform === "linux",
  ],
  ["another host, touched just now", ELSEWHERE, 0, false],
  ["another host, long untouched", ELSEWHERE, 600, true],
  ["a process killed before it wrote its name", "", 600, true],
])("the lock of %s", async (_name, holder, age, isTakenOver) => {
  const path = await placeLock(holder, age);
  expect(await isLocked(path)).toBe(!isTakenOver);
  const attempt = acquireLock(path, "test");
  if (!isTakenOver) return await expect(attempt).rejects.toMatchObject({ code: "DOWNLOAD_LOCKED" });
  await (await attempt).release();
  await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
});

/** So many takers, so often, that two have looked at the same dead holder before one of them acts. */
const TAKERS = 16;
const ROUNDS = 100;

test("of many that want a dead holder's lock one gets it", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const path = await placeLock(DEAD_HERE);
    const results = await Promise.allSettled(Array.from({ length: TAKERS }, () => acquireLock(path, "test")));
    const got = results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
    const refused = results.flatMap((result) => (result.status === "rejected" ? result.reason.code : []));
    expect(got).toHaveLength(1);
    expect(refused).toEqual(Array(TAKERS - 1).fill("DOWNLOAD_LOCKED"));
    expect(await isLocked(path)).toBe(true);
    await got[0]?.release();
    await got[0]?.release();
    expect(await readdir(dirname(path))).toEqual([]);
  }
}, 60_000);

test.each<[string, object | string, number]>([
  ["a dead process here", DEAD_HERE, 0],
  ["another host, long untouched", ELSEWHERE, 600],
  ["a process killed before it wrote its name", "", 600],
])("a takeover begun by %s is taken over too", async (_name, holder, age) => {
  const path = await placeLock(DEAD_HERE);
  await placeFile(`${path}.takeover`, holder, age);
  await placeFile(`${path}.takeover.takeover`, holder, age);
  const lock = await acquireLock(path, "test");
  await lock.release();
  expect(await readdir(dirname(path))).toEqual([]);
});

test("a takeover that a living process has begun is left to it", async () => {
  const path = await placeLock(DEAD_HERE);
  await placeFile(`${path}.takeover`, ELSEWHERE, 0);
  await expect(acquireLock(path, "test")).rejects.toMatchObject({
    code: "DOWNLOAD_LOCKED",
    message: expect.stringContaining("test is held by another process."),
  });
  expect(JSON.parse(await readFile(path, "utf8"))).toEqual(DEAD_HERE);
  expect(JSON.parse(await readFile(`${path}.takeover`, "utf8"))).toEqual(ELSEWHERE);
});

test("release leaves a lock alone that another has taken over", async () => {
  const path = join(setup.directory, ".punie", "lock");
  const lock = await acquireLock(path, "test");
  await rm(path);
  await placeLock({ id: "other", pid: process.pid, host: hostname(), since: "" });
  await lock.release();
  expect(await readFile(path, "utf8")).toContain("other");
});

test("of a process that was killed when all was done no lock is left", async () => {
  await downloadModel(NAME, setup.options());
  await placeLock(DEAD_HERE);
  await downloadModel(NAME, setup.options());
  expect(setup.events.at(-1)).toMatchObject({ type: "up-to-date" });
  await setup.expectWhole();
});

test("a model isn't removed while it is downloaded", async () => {
  await downloadModel(NAME, setup.options());
  const lock = await acquireLock(join(setup.directory, ".punie", "lock"), "test");
  const options = { modelsDir: setup.modelsDir };
  await expect(removeModel(NAME, options)).rejects.toMatchObject({ code: "DOWNLOAD_LOCKED" });
  await lock.release();
  await removeModel(NAME, options);
  await expect(stat(setup.directory)).rejects.toMatchObject({ code: "ENOENT" });
});
