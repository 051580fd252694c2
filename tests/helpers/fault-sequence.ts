/**
 * A download through everything that can go wrong, drawn from a seed: answers that fail, processes that are killed, calls
 * that are aborted, a disk that is full, until one call comes through.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { PunieError } from "../../src/errors.js";
import { downloadModel } from "../../src/hub/download-model.js";
import type { DownloadOptions } from "../../src/hub/download-options.js";
import type { OpenFile } from "../../src/hub/partial-file.js";
import { bytesOnTheWay } from "./bytes-on-the-way.js";
import { FakeHub, type Fault, type SeenRequest } from "./fake-hub.js";
import { modelFiles, NEEDED_FILES, noise } from "./fake-model.js";
import { randomFrom } from "./random.js";

const NAME = "org/model";
const PART_BYTES = 1024 * 1024;
/** Of each connection: the system's buffers stay empty then, and what is sent is what comes. */
const BYTES_PER_SECOND = 25_000_000;
const MAX_CALLS = 40;

export interface Outcome {
  /** Undefined when all is as promised. */
  wrong: string | undefined;
  /** What happened, in order. */
  history: string[];
  faults: number;
  calls: number;
  /** Bytes of the files, those that the Hub sent, and those that it may send at most. */
  size: number;
  sent: number;
  allowed: number;
}

export async function runFaultSequence(seed: number): Promise<Outcome> {
  const sequence = await FaultSequence.start(seed);
  try {
    return await sequence.run();
  } finally {
    await sequence.end();
  }
}

class FaultSequence {
  readonly #random: (below: number) => number;
  readonly #hub: FakeHub;
  readonly #home: string;
  readonly #files: Record<string, Buffer>;
  readonly #history: string[] = [];
  #faultsLeft: number;
  #interruptionsLeft: number;
  #faults = 0;
  #allowance = 0;

  private constructor(seed: number, hub: FakeHub, home: string) {
    this.#random = randomFrom(seed);
    this.#hub = hub;
    this.#home = home;
    this.#files = modelFiles(1 + this.#random(6_000_000));
    // A second large one, so that connections go from one file to the next.
    this.#files["model-2.safetensors"] = noise(`second ${seed}`, 1 + this.#random(2_000_000));
    this.#faultsLeft = this.#random(8);
    this.#interruptionsLeft = this.#random(4);
    hub.repositories[NAME] = { files: this.#files };
    hub.bytesPerSecond = BYTES_PER_SECOND;
    hub.fault = (seen) => this.#draw(seen);
  }

  static async start(seed: number): Promise<FaultSequence> {
    return new FaultSequence(seed, await FakeHub.start(), await mkdtemp(join(tmpdir(), "punie-faults-")));
  }

  async end(): Promise<void> {
    await this.#hub.stop();
    await rm(this.#home, { recursive: true, force: true });
  }

  async run(): Promise<Outcome> {
    let wrong: string | undefined = `no end after ${MAX_CALLS} calls`;
    let calls = 0;
    while (calls < MAX_CALLS) {
      calls += 1;
      const result = await this.#call();
      this.#history.push(`call ${calls}: ${result}`);
      if (result === "whole") {
        wrong = await this.#fault();
        break;
      }
      if (result.startsWith("unexpected")) {
        wrong = result;
        break;
      }
    }
    const size = this.#wanted().reduce((sum, path) => sum + (this.#files[path] as Buffer).length, 0);
    const sent = this.#hub.sentBytes;
    const allowed = Math.floor(size * 1.1) + this.#allowance;
    if (wrong === undefined && sent > allowed) wrong = `${sent} bytes were sent for ${size}, ${allowed} are allowed`;
    return { wrong, history: this.#history, faults: this.#faults, calls, size, sent, allowed };
  }

  #wanted(): string[] {
    return [...NEEDED_FILES, "model-2.safetensors"];
  }

  /** What isn't as it should be after a call that came through. */
  async #fault(): Promise<string | undefined> {
    const directory = join(this.#home, "models", "org--model");
    for (const path of this.#wanted()) {
      const found = await readFile(join(directory, path)).catch(() => Buffer.alloc(0));
      if (!found.equals(this.#files[path] as Buffer)) return `${path} has other bytes`;
    }
    const left = (await readdir(join(directory, ".punie"))).filter((name) => name !== "manifest.json");
    return left.length > 0 ? `left behind: ${left.join(" ")}` : undefined;
  }

  #happened(what: string, allowance: number): void {
    this.#faults += 1;
    this.#allowance += allowance;
    this.#history.push(what);
  }

  /** An answer that fails, now and then, while there are some to come. */
  #draw(seen: SeenRequest): Fault | undefined {
    if (this.#faultsLeft === 0 || this.#random(3) > 0) return undefined;
    this.#faultsLeft -= 1;
    const content = this.#files[seen.file ?? ""];
    const [what, fault] = content === undefined ? this.#answerFault() : this.#fileFault(content.length, seen.host);
    // A hash covers a whole file: where one byte is wrong, nobody can tell which part to fetch again.
    const allowance = fault.corrupt ? (content?.length ?? 0) : PART_BYTES;
    this.#happened(`${what} (${seen.file ?? "a question"} ${seen.range ?? ""})`, allowance);
    return fault;
  }

  #answerFault(): [string, Fault] {
    const faults: [string, Fault][] = [
      ["429", { status: 429, headers: { "Retry-After": "0" } }],
      ["500", { status: 500 }],
      ["503", { status: 503, headers: { "Retry-After": "0" } }],
      ["a name that isn't known", { status: 302, headers: { Location: "http://punie.invalid/" } }],
    ];
    return faults[this.#random(faults.length)] as [string, Fault];
  }

  #fileFault(length: number, host: SeenRequest["host"]): [string, Fault] {
    const at = this.#random(Math.min(length, PART_BYTES));
    const faults: [string, Fault][] = [
      [`cut after ${at}`, { cutAfter: at }],
      [`reset after ${at}`, { resetAfter: at }],
      [`stalled after ${at}`, { stallAfter: at }],
      [`dripping after ${at}`, { dripAfter: at }],
      ["a wrong byte", { corrupt: true }],
      ["another length", { headers: { "Content-Range": `bytes 0-9/${length + 1}` } }],
      ["the whole file", { ignoreRange: true }],
      ["more than the file", { ignoreRange: true, extraBytes: 1000 }],
      // Of the second host; the Hub itself means it.
      ["an address that ran out", { status: host === "cdn" ? 403 : 408 }],
      ["a page in its place", { status: 200, body: "<html>log in</html>" }],
      ["redirects in a circle", { status: 302, headers: { Location: "?again" } }],
      this.#answerFault(),
    ];
    return faults[this.#random(faults.length)] as [string, Fault];
  }

  async #call(): Promise<string> {
    const interruption = this.#interruptionsLeft > 0 ? this.#random(4) : 3;
    if (interruption < 3) this.#interruptionsLeft -= 1;
    if (interruption === 0) return await this.#killed();
    if (interruption === 1) return await this.#aborted();
    if (interruption === 2) return await this.#onFullDisk();
    return await this.#inProcess({});
  }

  #options(): DownloadOptions {
    return {
      modelsDir: join(this.#home, "models"),
      env: { HOME: this.#home, HF_ENDPOINT: this.#hub.endpoint },
      retry: { attempts: 4, baseMs: 1 },
      stallMs: 300,
      partBytes: PART_BYTES,
      connections: 1 + this.#random(4),
    };
  }

  async #inProcess(more: DownloadOptions): Promise<string> {
    try {
      await downloadModel(NAME, { ...this.#options(), ...more });
      return "whole";
    } catch (error) {
      if (error === ABORTED) return "aborted";
      const code = error instanceof PunieError ? error.code : "";
      const isExpected = code === "HUB_UNREACHABLE" || code === "HUB_CORRUPT" || code === "DISK_FULL";
      return isExpected ? code : `unexpected: ${(error as Error).stack}`;
    }
  }

  async #aborted(): Promise<string> {
    this.#happened("an abort", PART_BYTES);
    const controller = new AbortController();
    const done = this.#inProcess({ signal: controller.signal });
    await this.#moment(done);
    controller.abort(ABORTED);
    return await done;
  }

  async #onFullDisk(): Promise<string> {
    this.#happened("a full disk", PART_BYTES);
    const room = this.#random(6_000_000);
    const openFile: OpenFile = async (path, flags) => {
      const file = await open(path, flags);
      const writev = file.writev.bind(file);
      const limited = async (pieces: Uint8Array[], position: number) => {
        if (position >= room) throw Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC", path });
        return await writev([Buffer.concat(pieces).subarray(0, room - position)], position);
      };
      return Object.assign(file, { writev: limited }) as FileHandle;
    };
    return await this.#inProcess({ openFile });
  }

  /** A process of its own, killed at a moment by how far it has come. */
  async #killed(): Promise<string> {
    const program = `${PROGRAM}(${JSON.stringify(this.#options())});`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = once(child, "close");
    await this.#moment(ended);
    // Stopped first: what lies in the system's buffers then, of a process that waited for its turn, it never saw.
    child.kill("SIGSTOP");
    this.#happened("kill -9", PART_BYTES + bytesOnTheWay([this.#hub.endpoint, this.#hub.cdn]));
    child.kill("SIGKILL");
    await ended;
    return exitText(child);
  }

  /** Some way into a download: a number of bytes, and a while. */
  async #moment(ended: Promise<unknown>): Promise<void> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    ended.then(over, over);
    const until = this.#hub.sentBytes + this.#random(8_000_000);
    const delay = this.#random(40);
    // Less may be left to send than that.
    const latest = performance.now() + 2_000;
    while (!isOver && this.#hub.sentBytes < until && performance.now() < latest) await sleep(2);
    await sleep(delay);
  }
}

const ABORTED = new Error("aborted by the test");
const BUILT = new URL("../../dist/hub/download-model.js", import.meta.url).href;
const PROGRAM = `
import { downloadModel } from ${JSON.stringify(BUILT)};
const run = (options) => downloadModel(${JSON.stringify(NAME)}, options).then(() => {}, (error) => {
  if (!/^(HUB_UNREACHABLE|HUB_CORRUPT)$/.test(error.code)) throw error;
  process.exitCode = 1;
});
await run`;

function exitText({ exitCode, signalCode }: ChildProcess): string {
  if (signalCode === "SIGKILL") return "killed";
  if (exitCode === 0) return "whole";
  return exitCode === 1 ? "failed" : `unexpected: exit code ${exitCode}, signal ${signalCode}`;
}
