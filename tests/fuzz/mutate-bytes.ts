/** Damage to bytes, drawn from a seed: what libFuzzer's own mutations do, for readers written in TypeScript. */
import type { Random } from "../helpers/random.js";

/** Numbers that lie on the edge of something when they are read as a size or an offset. */
const EDGES = [
  0n,
  1n,
  2n,
  7n,
  31n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 64n - 1n,
];
const MOST_CHANGES = 4;
const MOST_COPIED = 64;

/** One to four changes. The input is left as it is. */
export function mutateBytes(input: Uint8Array, random: Random): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(input);
  for (let left = 1 + random(MOST_CHANGES); left > 0; left--) bytes = changed(bytes, random);
  return bytes;
}

function changed(bytes: Uint8Array, random: Random): Uint8Array {
  const at = placeIn(bytes, random);
  const length = Math.min(1 + random(MOST_COPIED), bytes.length - at);
  switch (random(8)) {
    case 0:
      return overwritten(bytes, at, [random(256)]);
    case 1:
      return overwritten(bytes, at, [(bytes[at] ?? 0) ^ (1 << random(8))]);
    case 2:
      return overwritten(
        bytes,
        at,
        littleEndian(EDGES[random(EDGES.length)] as bigint, [1, 2, 4, 8][random(4)] as number),
      );
    case 3:
      return spliced(bytes, at, length, []);
    case 4:
      return spliced(bytes, at, 0, bytes.subarray(placeIn(bytes, random)).subarray(0, length));
    case 5:
      return spliced(
        bytes,
        at,
        0,
        Array.from({ length }, () => random(256)),
      );
    case 6:
      return bytes.subarray(0, at);
    default:
      return overwritten(bytes, at, bytes.subarray(placeIn(bytes, random)).subarray(0, length));
  }
}

/** Half of the time near the start, where headers are. */
function placeIn(bytes: Uint8Array, random: Random): number {
  return random(Math.max(1, random(2) === 0 ? Math.min(bytes.length, 512) : bytes.length));
}

function littleEndian(value: bigint, width: number): number[] {
  return Array.from({ length: width }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function overwritten(bytes: Uint8Array, at: number, values: Uint8Array | number[]): Uint8Array {
  const room = Math.max(0, bytes.length - at);
  bytes.set(values.slice(0, room), Math.min(at, bytes.length));
  return bytes;
}

function spliced(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array | number[]): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + remove)]);
}
