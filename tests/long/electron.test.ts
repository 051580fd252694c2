import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packPackage, programThatAnswers, TASK, UserMachine } from "../helpers/installed-package.js";
import { npmTools } from "../helpers/npm-tools.js";

/** What the guide tells to leave out of the archive. */
const UNPACKED = "**/node_modules/{punie,@punie,@huggingface,zod}";

interface Asar {
  createPackageWithOptions(from: string, to: string, options: { unpackDir: string }): Promise<void>;
  extractAll(archive: string, to: string): void;
  listPackage(archive: string, options: { isPack: boolean }): string[];
}

let packed: string;
let user: UserMachine;
let resources: string;
let asar: Asar;

const filesUnder = (directory: string) =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));

beforeAll(async () => {
  asar = createRequire(import.meta.url)(
    path.join(npmTools("asar", { "@electron/asar": "3.4.1" }), "@electron", "asar"),
  );
  packed = mkdtempSync(path.join(tmpdir(), "punie-packed-"));
  // A messages request needs the thread of the chat template; the library's tokenizer has one too.
  const chat = `
    import { loadModel } from "punie";
    const model = await loadModel(process.argv[2], { device: "cpu" });
    const { text } = await model.generate({ messages: [{ role: "user", content: "What is the capital of Ghana?" }] });
    await model.dispose();
    console.log(text);`;
  const isolated = chat.replace('device: "cpu"', 'device: "cpu", isolation: process.argv[3]');
  user = new UserMachine({ "main.mjs": programThatAnswers(), "chat.mjs": chat, "isolated.mjs": isolated });
  user.install(packPackage(packed));
  resources = path.join(user.root, "resources");
  await asar.createPackageWithOptions(user.app, path.join(resources, "app.asar"), { unpackDir: UNPACKED });
}, 1_800_000);

afterAll(() => {
  user?.remove();
  rmSync(packed, { recursive: true, force: true });
});

describe("an application packed for Electron", () => {
  it("has punie's files outside of the archive, as files of their own", () => {
    const unpacked = path.join(resources, "app.asar.unpacked", "node_modules", "punie");
    for (const name of filesUnder(user.package)) {
      // Only links in node_modules/.bin have no place there.
      expect(existsSync(path.join(unpacked, path.relative(user.package, name))), name).toBe(true);
    }
  });

  it("loads the addon by its unpacked path", () => {
    const addon = path.join("node_modules", "punie", "prebuilds", `${process.platform}-${process.arch}`, "punie.node");
    const file = path.join(resources, "app.asar.unpacked", addon);
    const { status, stdout } = user.run("node", [
      "-p",
      "Object.keys(require(process.argv[1])).includes('loadModel')",
      file,
    ]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: "true\n" });
  });

  /**
   * Electron itself is no part of this test. To JavaScript an archive looks like a directory `app.asar/` with every file
   * in it; to the system's loader, and to what starts a thread, the files in it are not there. So: a directory of that
   * name, with the libraries cut to nothing and the threads' files replaced.
   */
  it("answers where its code says app.asar and only app.asar.unpacked has libraries and threads", () => {
    const archive = path.join(resources, "app.asar");
    renameSync(archive, `${archive}.file`);
    renameSync(`${archive}.unpacked`, `${archive}.file.unpacked`);
    asar.extractAll(`${archive}.file`, archive);
    renameSync(`${archive}.file.unpacked`, `${archive}.unpacked`);
    const inArchive = filesUnder(path.join(archive, "node_modules", "punie"));
    const libraries = inArchive.filter((file) => /\.(node|so|dylib|metallib)(\.|$)/.test(file));
    const threads = inArchive.filter((file) => /-(worker|entry)\.js$/.test(file));
    expect([libraries.length > 0, threads.length > 0]).toEqual([true, true]);
    for (const file of libraries) truncateSync(file);
    for (const file of threads) writeFileSync(file, 'throw new Error("this file is only in the archive");');
    rmSync(user.app, { recursive: true });

    const model = path.join(archive, "model");
    const answered = { status: 0, stdout: `${TASK.text}\n`, stderr: "" };
    expect(runThere("main.mjs")).toEqual(answered);
    expect(runThere("chat.mjs", model)).toEqual(answered);
    for (const isolation of ["worker", "process"])
      expect(runThere("isolated.mjs", model, isolation), isolation).toEqual(answered);
  });
});

function runThere(program: string, ...args: string[]) {
  const archive = path.join(resources, "app.asar");
  return user.run("node", [path.join(archive, program), ...args], {}, archive);
}
