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
    return this.gaps(0, size)[0];
  }

  /** What isn't there between `start` and `end`, in order. */
  gaps(start: number, end: number): Range[] {
    const gaps: Range[] = [];
    let at = start;
    for (const range of [...this.#ranges, [end, end] as const]) {
      const until = Math.min(range[0], end);
      if (until > at) gaps.push([at, until]);
      at = Math.max(at, range[1]);
    }
    return gaps;
  }
}
