import { isUtf8 } from "node:buffer";
import { PunieError } from "../../errors.js";

/** The bytes at hand end before what is being read does; more of the file may help. */
export class EndOfBytes extends Error {}

/** Reads little-endian values one after another, never past the end of its bytes. */
export class ByteCursor {
  /** Bytes read so far. */
  position = 0;
  /** The file's name, for messages. */
  readonly path: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, path: string) {
    this.path = path;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  uint8 = (): number => this.#view.getUint8(this.#advance(1));
  int8 = (): number => this.#view.getInt8(this.#advance(1));
  uint16 = (): number => this.#view.getUint16(this.#advance(2), true);
  int16 = (): number => this.#view.getInt16(this.#advance(2), true);
  uint32 = (): number => this.#view.getUint32(this.#advance(4), true);
  int32 = (): number => this.#view.getInt32(this.#advance(4), true);
  uint64 = (): bigint => this.#view.getBigUint64(this.#advance(8), true);
  int64 = (): bigint => this.#view.getBigInt64(this.#advance(8), true);
  float32 = (): number => this.#view.getFloat32(this.#advance(4), true);
  float64 = (): number => this.#view.getFloat64(this.#advance(8), true);

  /** A view of the next `length` bytes. */
  take(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** A uint64 that counts or measures something named `what`, at most `limit`. */
  count(what: string, limit: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.uint64();
    if (value > BigInt(limit)) throw this.corrupt(`${what} is ${value}, more than the ${limit} that are possible`);
    return Number(value);
  }

  /** A string: uint64 length, then UTF-8. `limit` is in bytes. */
  string(what: string, limit: number): string {
    const bytes = this.take(this.count(`length of the ${what}`, limit));
    if (!isUtf8(bytes)) throw this.corrupt(`the ${what} is not UTF-8`);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  }

  corrupt(cause: string): PunieError {
    return new PunieError("MODEL_CORRUPT", `${this.path} is not a usable GGUF file: ${cause}.`);
  }

  #advance(length: number): number {
    const start = this.position;
    if (length > this.#bytes.byteLength - start) throw new EndOfBytes();
    this.position = start + length;
    return start;
  }
}
