import type { RemoteFile } from "./fetch-range.js";
import type { PartialFile } from "./partial-file.js";
import { type Range, RangeSet } from "./range-set.js";

/** A piece of a file that one connection fetches: bytes `position` to `end` are still to come. */
export interface Segment {
  file: FileTransfer;
  start: number;
  position: number;
  end: number;
  /** Another connection fetches it as part of the whole file. */
  isGivenUp: boolean;
}

/** The hash follows in steps, so that it isn't asked to at every packet. */
const HASH_STEP_BYTES = 8 * 1024 * 1024;
/** How often the map of what is there is written at least, while bytes come. */
const SAVE_MS = 2_000;

/** One file while connections fetch it: who fetches what. */
export class FileTransfer {
  readonly path: string;
  readonly remote: RemoteFile;
  readonly partial: PartialFile;
  refetches = 0;
  /** When its progress was last told, by `performance.now`. */
  toldAt = Number.NEGATIVE_INFINITY;
  readonly #partBytes: number;
  /** When its map was last written. Of the file, not of a segment: on a fast network each of those is soon over. */
  #savedAt = performance.now();
  /** Bytes written that no map claims yet. */
  #unsavedBytes = 0;
  #saving: Promise<void> | undefined;
  #saveError: unknown;
  #segments: Segment[] = [];
  /** The server ignores ranges: one connection fetches all. */
  #whole: Segment | undefined;
  #isFinishing = false;

  /** @param partBytes Most that one connection is given at a time, and most that a killed process loses. */
  constructor(path: string, remote: RemoteFile, partial: PartialFile, partBytes: number) {
    this.path = path;
    this.remote = remote;
    this.partial = partial;
    this.#partBytes = partBytes;
  }

  get size(): number {
    return this.remote.size;
  }

  /** All bytes are there and no connection is at work. */
  get isComplete(): boolean {
    return this.partial.isWhole && this.#segments.length === 0;
  }

  get receivedBytes(): number {
    return new RangeSet([...this.partial.done.ranges, ...this.#underway()]).total;
  }

  /** The next bytes that nobody has or fetches. */
  claim(): Segment | undefined {
    if (this.#isFinishing || this.#whole !== undefined) return undefined;
    const taken = new RangeSet(this.partial.done.ranges);
    for (const segment of this.#segments) taken.add(segment.start, segment.end);
    const gap = taken.firstGap(this.size);
    if (gap === undefined) return undefined;
    const [start, gapEnd] = gap;
    const segment = {
      file: this,
      start,
      position: start,
      end: Math.min(gapEnd, start + this.#partBytes),
      isGivenUp: false,
    };
    this.#segments.push(segment);
    return segment;
  }

  /** Takes a segment back: what has come of it counts, the rest is free to be claimed. */
  release(segment: Segment): void {
    this.partial.done.add(segment.start, segment.position);
    this.#segments = this.#segments.filter((other) => other !== segment);
    if (this.#whole === segment) this.#whole = undefined;
  }

  /**
   * The server sends the whole file to the connection that asked for `segment`: it takes over the file, or, when
   * another one has, gives its segment up and gets false.
   */
  takeWhole(segment: Segment): boolean {
    this.partial.done.add(segment.start, segment.position);
    segment.isGivenUp = this.#whole !== undefined && this.#whole !== segment;
    if (segment.isGivenUp) return false;
    this.#whole = segment;
    Object.assign(segment, { start: 0, position: 0, end: this.size });
    return true;
  }

  /** Writes what has come of a segment. The hash follows when that lengthens the part without a gap. */
  async write(segment: Segment, pieces: readonly Uint8Array[]): Promise<void> {
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    await this.partial.write(pieces, segment.position);
    segment.position += bytes;
    this.#unsavedBytes += bytes;
    this.#advanceHash();
    await this.#saveInTime();
  }

  #advanceHash(): void {
    const { done } = this.partial;
    const hashable = done.contiguous;
    const leading = this.#segments.find(
      ({ start, position }) => start <= hashable && position >= hashable + HASH_STEP_BYTES,
    );
    if (leading === undefined) return;
    done.add(leading.start, leading.position);
    this.partial.followHash();
  }

  /**
   * Writes the map now and then, beside what else goes on. A disk that is slower than the network is waited for: a
   * process that is killed loses no more than a part.
   */
  async #saveInTime(): Promise<void> {
    const isDue = this.#unsavedBytes >= this.#partBytes / 4 || performance.now() - this.#savedAt >= SAVE_MS;
    if (isDue && this.#saving === undefined) {
      this.#saving = this.save()
        .catch((error: unknown) => {
          this.#saveError = error;
        })
        .finally(() => {
          this.#saving = undefined;
        });
    }
    if (this.#unsavedBytes >= this.#partBytes / 2) await this.#saving;
    if (this.#saveError !== undefined) throw this.#saveError;
  }

  /** Writes the map, with what has come of segments that are under way. */
  async save(): Promise<void> {
    const bytes = this.#unsavedBytes;
    await this.partial.save(this.#underway());
    this.#unsavedBytes -= bytes;
    this.#savedAt = performance.now();
  }

  /** False when another connection is at it already, or the file isn't complete. */
  startFinishing(): boolean {
    if (this.#isFinishing || !this.isComplete) return false;
    this.#isFinishing = true;
    return true;
  }

  stopFinishing(): void {
    this.#isFinishing = false;
  }

  #underway(): Range[] {
    return this.#segments.map((segment): Range => [segment.start, segment.position]);
  }
}
