/** From `start`, inclusive, to `end`, exclusive. */
export type Range = [start: number, end: number];

/** Which bytes of a file are there: ranges in order, apart from each other. */
export class RangeSet {
  #ranges: Range[] = [];

  constructor(ranges: Iterable<Range> = []) {
    for (const [start, end] of ranges) this.add(start, end);
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    const before = this.#ranges.filter((range) => range[1] < start);
    const after = this.#ranges.filter((range) => range[0] > end);
    const touching = this.#ranges.slice(before.length, this.#ranges.length - after.length);
    const first = Math.min(start, touching[0]?.[0] ?? start);
    const last = Math.max(end, touching.at(-1)?.[1] ?? end);
    this.#ranges = [...before, [first, last], ...after];
  }

  clear(): void {
    this.#ranges = [];
  }

  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  /** Bytes in all ranges. */
  get total(): number {
    return this.#ranges.reduce((sum, [start, end]) => sum + end - start, 0);
  }

  /** How many bytes from the first on have no gap. */
  get contiguous(): number {
    const [first] = this.#ranges;
    return first?.[0] === 0 ? first[1] : 0;
  }

  /** The first range below `size` that isn't there. */
  firstGap(size: number): Range | undefined {
    let start = 0;
    for (const range of this.#ranges) {
      if (range[0] > start) return [start, Math.min(range[0], size)];
      start = range[1];
    }
    return start < size ? [start, size] : undefined;
  }
}
