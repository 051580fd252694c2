import { constants } from "node:fs";
import { type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { FileHash } from "../models/file-hash.js";
import { syncDirectory, writeFileDurably } from "../models/manifest.js";
import type { FileHasher, HashThread } from "./hash-thread.js";
import { type Range, RangeSet } from "./range-set.js";

/** Opens a file; injectable, so that a full disk can be had in a test. */
export type OpenFile = (path: string, flags: number) => Promise<FileHandle>;

export interface Content {
  size: number;
  hash: FileHash;
}

const mapFields = z.object({ size: z.number(), done: z.array(z.tuple([z.number().int().min(0), z.number().int()])) });

/** Where the content with this hash lies once it is whole and verified. */
export function verifiedPath(directory: string, content: Content): string {
  return join(directory, content.hash.value);
}

function partPath(directory: string, content: Content): string {
  return `${verifiedPath(directory, content)}.part`;
}

function mapPath(directory: string, content: Content): string {
  return `${verifiedPath(directory, content)}.json`;
}

/** Bytes of a content that an earlier run left, by its map. */
export async function resumableBytes(directory: string, content: Content): Promise<number> {
  return (await readMap(directory, content)).total;
}

async function readMap(directory: string, content: Content): Promise<RangeSet> {
  try {
    const map = mapFields.parse(JSON.parse(await readFile(mapPath(directory, content), "utf8")));
    const fits = map.size === content.size && map.done.every(([start, end]) => start < end && end <= content.size);
    return new RangeSet(fits ? (map.done as Range[]) : []);
  } catch {
    // No map, or none that can be read: the file starts anew.
    return new RangeSet();
  }
}

/**
 * A file while it is fetched: its bytes, a map of those that are there, and a hash that follows the part without a gap.
 * Named for its content, so that a file that changes on the Hub starts anew and one that doesn't goes on, whatever the
 * commit. Owns its file handle; `close` keeps what is there for the next run.
 */
export class PartialFile {
  readonly content: Content;
  readonly done: RangeSet;
  readonly #directory: string;
  readonly #file: FileHandle;
  readonly #hasher: FileHasher;
  #writing: Promise<void> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();
  #isClosed = false;

  private constructor(directory: string, content: Content, file: FileHandle, done: RangeSet, hasher: FileHasher) {
    this.content = content;
    this.done = done;
    this.#directory = directory;
    this.#file = file;
    this.#hasher = hasher;
  }

  /** Goes on with what an earlier run left: it is hashed from the file. */
  static async open(
    directory: string,
    content: Content,
    hashes: HashThread,
    openFile: OpenFile = open,
  ): Promise<PartialFile> {
    const file = await openFile(
      partPath(directory, content),
      constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW,
    );
    const { size } = await file.stat();
    const map = await readMap(directory, content);
    // A map may not claim what isn't there; a shorter file was cut by something else.
    const believable = (map.ranges.at(-1)?.[1] ?? 0) <= size;
    const hasher = hashes.add(partPath(directory, content), content.hash.type, content.size);
    return new PartialFile(directory, content, file, believable ? map : new RangeSet(), hasher);
  }

  get isWhole(): boolean {
    return this.done.total === this.content.size;
  }

  /**
   * Writes bytes at a position. They count once `done` has them, and stay: what comes of them a second time, from a
   * server that sends the whole file, is left out. So the hash needn't look at anything twice.
   */
  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    // One after the other: the system lets one at a time into a file, and the others would keep its threads waiting.
    const written = this.#writing.then(() => this.#writeNow(pieces, position));
    this.#writing = written.catch(() => undefined);
    await written;
  }

  async #writeNow(pieces: readonly Uint8Array[], position: number): Promise<void> {
    const end = pieces.reduce((sum, piece) => sum + piece.length, position);
    for (const [from, to] of this.done.gaps(position, end)) {
      let rest = part(pieces, from - position, to - position);
      let at = from;
      while (rest.length > 0) {
        const { bytesWritten } = await this.#file.writev(rest, at);
        at += bytesWritten;
        rest = part(rest, bytesWritten, Number.POSITIVE_INFINITY);
      }
    }
  }

  /** Lets the hash catch up with the part without a gap, beside what else goes on. */
  followHash(): void {
    // What is being written may be what another connection has just got; what is written later leaves it alone.
    void this.#writing.then(() => {
      if (!this.#isClosed) this.#hasher.follow(this.done.contiguous);
    });
  }

  /**
   * Writes the map. The bytes are on disk before it claims them, so that a power cut can't make it lie.
   *
   * @param underway Ranges that are being fetched and written so far.
   */
  async save(underway: readonly Range[] = []): Promise<void> {
    const snapshot = new RangeSet([...this.done.ranges, ...underway]);
    const write = async () => {
      if (snapshot.total === 0) return;
      await this.#file.datasync();
      const map = { size: this.content.size, done: snapshot.ranges };
      await writeFileDurably(mapPath(this.#directory, this.content), JSON.stringify(map));
    };
    this.#saving = this.#saving.then(write, write);
    await this.#saving;
  }

  /** Once whole: true when the content is the right one, which then has its verified name. False: nothing is left. */
  async verify(signal: AbortSignal): Promise<boolean> {
    const digest = await this.#hasher.digest(signal);
    await this.#saving.catch(() => undefined);
    if (digest !== this.content.hash.value) {
      await this.#startAnew();
      return false;
    }
    await this.#file.truncate(this.content.size);
    await this.#file.sync();
    await rename(partPath(this.#directory, this.content), verifiedPath(this.#directory, this.content));
    await rm(mapPath(this.#directory, this.content), { force: true });
    return true;
  }

  async #startAnew(): Promise<void> {
    await rm(mapPath(this.#directory, this.content), { force: true });
    // Before the bytes go: after a power cut no map may claim them.
    await syncDirectory(this.#directory);
    await this.#file.truncate(0);
    this.done.clear();
    this.#hasher.restart();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#hasher.close();
    await this.#saving.catch(() => undefined);
    await this.#file.close();
    // Nothing came: nothing is left.
    if (this.done.total === 0) await rm(partPath(this.#directory, this.content), { force: true });
  }
}

/** Bytes `start` to `end` of pieces. */
function part(pieces: readonly Uint8Array[], start: number, end: number): Uint8Array[] {
  let at = 0;
  return pieces.flatMap((piece) => {
    const cut = piece.subarray(Math.max(0, start - at), Math.max(0, end - at));
    at += piece.length;
    return cut.length > 0 ? [cut] : [];
  });
}
