import { setMaxListeners } from "node:events";
import { PunieError } from "../errors.js";
import { Batch } from "./batch.js";
import { diskError, requireRoom } from "./disk.js";
import type { OnProgress } from "./download-events.js";
import { fetchRange, type RangeBody, type RangeOptions, type RemoteFile } from "./fetch-range.js";
import { FileTransfer, type Segment } from "./file-transfer.js";
import { HashThread } from "./hash-thread.js";
import { type Content, type OpenFile, PartialFile } from "./partial-file.js";
import type { RateLimit } from "./rate-limit.js";
import { releaseMemory } from "./release-memory.js";
import { backoffMs, givenUp, pause, type RetryPolicy } from "./retry.js";
import { TransientError } from "./transient-error.js";

/** A file to be fetched. */
export interface TransferItem {
  path: string;
  content: Content;
  remote: RemoteFile;
  /** Bytes that an earlier run left. */
  have: number;
}

export interface TransferOptions extends Omit<RangeOptions, "signal"> {
  /** Where unfinished and verified files are kept. */
  staging: string;
  openFile: OpenFile;
  connections: number;
  /** The pieces of an answer are nobody else's, and may be given back. */
  ownsPieces: boolean;
  /** Most bytes that one connection is given at a time. */
  partBytes: number;
  /** Bytes that are free on the file system of a directory. */
  freeBytes: (directory: string) => Promise<number>;
  retry: RetryPolicy;
  rateLimit: RateLimit | undefined;
  signal: AbortSignal;
  onProgress: OnProgress;
  /** Bytes of all files of the plan, and those of files that needn't be fetched. */
  totalBytes: number;
  presentBytes: number;
}

/** Progress that makes an earlier failure forgotten. Less would let a server that sends a byte at a time go on for ever. */
const REAL_PROGRESS_BYTES = 64 * 1024;
/** A part is written in so many pieces: large enough to cost little, small enough to be no memory to speak of. */
const PIECES_PER_PART = 32;
/** How often a file's progress is told, and how often the disk is asked for the room that is left. */
const TELL_MS = 100;
const ROOM_MS = 1_000;
/** Times that a file whose hash is wrong is fetched anew. */
const MAX_REFETCHES = 1;

/** Why the other connections end when one has failed for good. */
const STOPPED = new Error("another connection of this download failed");

/**
 * Fetches files over several connections, ranges of one file among them, and verifies each. Whatever happens, what has
 * come is kept in the partial files.
 *
 * @param onBytes Gets the size of each piece that comes over the network.
 */
export async function transferFiles(
  items: readonly TransferItem[],
  options: TransferOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const transfer = new Transfer(items, options, onBytes);
  try {
    await transfer.run();
  } finally {
    await transfer.keep();
  }
}

class Transfer {
  readonly #options: TransferOptions;
  readonly #onBytes: (bytes: number) => void;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #pending: TransferItem[];
  readonly #opening = new Set<Promise<void>>();
  readonly #active = new Set<FileTransfer>();
  readonly #hashes = new HashThread();
  #askedForRoomAt = performance.now();
  #verifiedBytes = 0;

  constructor(items: readonly TransferItem[], options: TransferOptions, onBytes: (bytes: number) => void) {
    this.#pending = [...items];
    this.#options = options;
    this.#onBytes = onBytes;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    // Every connection listens to it: many listeners are no leak here.
    setMaxListeners(0, this.#signal);
  }

  async run(): Promise<void> {
    const workers = Array.from({ length: this.#options.connections }, () => this.#work());
    const results = await Promise.allSettled(workers);
    this.#options.signal.throwIfAborted();
    const failed = results.find((result) => result.status === "rejected" && result.reason !== STOPPED);
    if (failed?.status !== "rejected") return;
    throw await diskError(failed.reason, this.#options.staging, this.#remainingBytes());
  }

  /** Writes the maps of what isn't finished, and closes all files. */
  async keep(): Promise<void> {
    try {
      for (const file of this.#active) {
        // A full disk may refuse the map too: then a little more is fetched again.
        await file.save().catch(() => undefined);
      }
      const closed = await Promise.allSettled([...this.#active].map((file) => file.partial.close()));
      for (const result of closed) if (result.status === "rejected") throw result.reason;
    } finally {
      await this.#hashes.close();
    }
  }

  /** One connection: a segment after the other, until none is left. The first failure for good stops all. */
  async #work(): Promise<void> {
    let failures = 0;
    try {
      for (let segment = await this.#claim(); segment !== undefined; segment = await this.#claim()) {
        const from = segment.position;
        try {
          await this.#fetch(segment);
          failures = 0;
        } catch (error) {
          this.#signal.throwIfAborted();
          if (!(error instanceof TransientError)) throw error;
          failures = segment.position - from >= REAL_PROGRESS_BYTES ? 1 : failures + 1;
          if (failures >= this.#options.retry.attempts) throw givenUp(error);
          // The segment stays claimed meanwhile: another connection would run into the same failure at once.
          await this.#waitToRetry(segment, error, failures);
        } finally {
          segment.file.release(segment);
        }
        await this.#finishIfComplete(segment.file);
      }
    } catch (error) {
      const reason = this.#signal.aborted ? STOPPED : error;
      this.#stop.abort(STOPPED);
      throw reason;
    }
  }

  /** The next segment to fetch: of a file under way, else of the next file, so that few are open at a time. */
  async #claim(): Promise<Segment | undefined> {
    for (;;) {
      this.#signal.throwIfAborted();
      for (const file of this.#active) {
        const segment = file.claim();
        if (segment !== undefined) return segment;
      }
      const item = this.#pending.shift();
      if (item !== undefined) await this.#open(item);
      else if (this.#opening.size > 0) await Promise.race(this.#opening);
      else return undefined;
    }
  }

  /** What others wait for stays pending until it is over: a promise that is settled already would be waited for in vain. */
  async #open(item: TransferItem): Promise<void> {
    const opening = this.#openAndCheck(item).finally(() => this.#opening.delete(opening));
    this.#opening.add(opening);
    await opening;
  }

  async #openAndCheck({ path, content, remote }: TransferItem): Promise<void> {
    const partial = await PartialFile.open(this.#options.staging, content, this.#hashes, this.#options.openFile);
    const file = new FileTransfer(path, remote, partial, this.#options.partBytes);
    this.#active.add(file);
    partial.followHash();
    await this.#finishIfComplete(file);
  }

  async #fetch(segment: Segment): Promise<void> {
    const range = { ...this.#options, signal: this.#signal };
    try {
      await fetchRange(segment.file.remote, segment.position, segment.end, range, (body) =>
        this.#receive(segment, body),
      );
    } catch (error) {
      // Whatever happens to a connection after its last byte has come is no failure.
      if (!(error instanceof TransientError) || segment.position < segment.end) throw error;
    }
    if (segment.position < segment.end && !segment.isGivenUp) {
      throw new TransientError(`${segment.file.path}: cut short at byte ${segment.position}`);
    }
  }

  async #receive(segment: Segment, { isWholeFile, chunks }: RangeBody): Promise<void> {
    const { file } = segment;
    if (isWholeFile && !file.takeWhole(segment)) return;
    const batch = new Batch(this.#options.partBytes / PIECES_PER_PART);
    try {
      for await (const chunk of chunks) {
        this.#onBytes(chunk.length);
        const wanted = chunk.subarray(0, segment.end - segment.position - batch.bytes);
        batch.add(wanted);
        if (batch.isDue) await this.#write(segment, batch);
        if (wanted.length < chunk.length) {
          if (isWholeFile) throw tooMuch(file);
          return;
        }
        await this.#options.rateLimit?.take(chunk.length, this.#signal);
      }
    } finally {
      // However the answer ends: what has come of it is kept.
      await this.#write(segment, batch);
    }
  }

  async #write(segment: Segment, batch: Batch): Promise<void> {
    const pieces = batch.take();
    if (pieces.length === 0) return;
    await segment.file.write(segment, pieces);
    if (this.#options.ownsPieces) releaseMemory(pieces);
    this.#tell(segment.file);
    if (performance.now() - this.#askedForRoomAt < ROOM_MS) return;
    this.#askedForRoomAt = performance.now();
    await requireRoom(this.#options.staging, this.#remainingBytes(), this.#options.freeBytes);
  }

  async #waitToRetry(segment: Segment, error: TransientError, failures: number): Promise<void> {
    const waitMs = backoffMs(this.#options.retry, failures, error);
    this.#options.onProgress({ type: "retry", file: segment.file.path, reason: error.message, waitMs });
    await pause(waitMs, this.#signal);
  }

  async #finishIfComplete(file: FileTransfer): Promise<void> {
    if (!file.startFinishing()) return;
    if (await file.partial.verify(this.#signal)) {
      this.#active.delete(file);
      this.#verifiedBytes += file.size;
      await file.partial.close();
      this.#options.onProgress({ type: "file", file: file.path, size: file.size });
      return;
    }
    file.refetches += 1;
    file.stopFinishing();
    if (file.refetches > MAX_REFETCHES) throw wrongTwice(file);
    const reason = "wrong hash: it is fetched anew";
    this.#options.onProgress({ type: "retry", file: file.path, reason, waitMs: 0 });
  }

  #remainingBytes(): number {
    return this.#options.totalBytes - this.#options.presentBytes - this.#receivedBytes();
  }

  #receivedBytes(): number {
    const active = [...this.#active].reduce((sum, file) => sum + file.receivedBytes, 0);
    return this.#verifiedBytes + active + this.#pending.reduce((sum, item) => sum + item.have, 0);
  }

  #tell(file: FileTransfer): void {
    const now = performance.now();
    if (now - file.toldAt < TELL_MS) return;
    file.toldAt = now;
    this.#options.onProgress({
      type: "progress",
      file: file.path,
      fileBytes: file.receivedBytes,
      fileSize: file.size,
      bytes: this.#options.presentBytes + this.#receivedBytes(),
      totalBytes: this.#options.totalBytes,
    });
  }
}

function tooMuch(file: FileTransfer): PunieError {
  return new PunieError("HUB_CORRUPT", `${file.path}: more bytes come than the ${file.size} that the Hub lists.`);
}

function wrongTwice(file: FileTransfer): PunieError {
  return new PunieError(
    "HUB_CORRUPT",
    `${file.path}: what came has another hash than the Hub lists, twice. It was thrown away; ` +
      "a proxy may change it: run the same command again, or over another network.",
  );
}
