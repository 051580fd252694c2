/** Of a slow connection little is lost when the process is killed, and progress is seen. */
const DUE_MS = 200;
/** What systems take in one call, at least. */
const DUE_PIECES = 512;

/** Pieces of one answer until they are written together. */
export class Batch {
  bytes = 0;
  #pieces: Uint8Array[] = [];
  #takenAt = performance.now();
  readonly #dueBytes: number;

  /** @param dueBytes So many are written at once. */
  constructor(dueBytes: number) {
    this.#dueBytes = dueBytes;
  }

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.bytes += piece.length;
  }

  get isDue(): boolean {
    if (this.bytes >= this.#dueBytes || this.#pieces.length >= DUE_PIECES) return true;
    return performance.now() - this.#takenAt >= DUE_MS;
  }

  /** All of them; the batch is empty then. */
  take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    this.bytes = 0;
    this.#takenAt = performance.now();
    return pieces;
  }
}
