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

/** Large enough that a request costs little beside it, small enough that all connections end at about one time. */
const SEGMENT_BYTES = 32 * 1024 * 1024;
/** The hash follows in steps, so that it isn't asked to at every packet. */
const HASH_STEP_BYTES = 8 * 1024 * 1024;

/** One file while connections fetch it: who fetches what. */
export class FileTransfer {
  readonly path: string;
  readonly remote: RemoteFile;
  readonly partial: PartialFile;
  refetches = 0;
  /** When its progress was last told, by `performance.now`. */
  toldAt = Number.NEGATIVE_INFINITY;
  /** When its map was last written. Of the file, not of a segment: on a fast network each of those is soon over. */
  savedAt = performance.now();
  #segments: Segment[] = [];
  /** The server ignores ranges: one connection fetches all. */
  #whole: Segment | undefined;
  #isFinishing = false;

  constructor(path: string, remote: RemoteFile, partial: PartialFile) {
    this.path = path;
    this.remote = remote;
    this.partial = partial;
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
      end: Math.min(gapEnd, start + SEGMENT_BYTES),
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

  /** Bytes have come: the hash follows when they lengthen the part without a gap. */
  advance(signal: AbortSignal): void {
    const { done } = this.partial;
    const hashable = done.contiguous;
    const leading = this.#segments.find(
      ({ start, position }) => start <= hashable && position >= hashable + HASH_STEP_BYTES,
    );
    if (leading === undefined) return;
    done.add(leading.start, leading.position);
    this.partial.followHash(signal);
  }

  /** Writes the map, with what has come of segments that are under way. */
  async save(): Promise<void> {
    this.savedAt = performance.now();
    await this.partial.save(this.#underway());
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
