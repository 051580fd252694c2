/**
 * Every token's bytes, by id: what decoding needs of a vocabulary, in three flat buffers that move between threads
 * without being copied.
 */
import type { DecoderPlan } from "./decoder-plan.js";
import type { TokenizerJson } from "./tokenizer-spec.js";

const PRESENT = 1;
const SPECIAL = 2;

export interface TokenTable {
  /** All tokens' bytes, one after another. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Where token `id` begins in `bytes`; it ends where the next begins. One longer than the vocabulary. */
  offsets: Uint32Array<ArrayBuffer>;
  /** Bit 0: the id has a token; bit 1: the token is special. */
  flags: Uint8Array<ArrayBuffer>;
}

/** Number of ids, holes included: the largest id and one. */
export function tableSize(table: TokenTable): number {
  return table.flags.length;
}

/** The token's bytes, or undefined for an id without one (a model's output may be padded past its vocabulary). */
export function tokenBytes(table: TokenTable, id: number): Uint8Array | undefined {
  if (!((table.flags[id] ?? 0) & PRESENT)) return undefined;
  return table.bytes.subarray(table.offsets[id], table.offsets[id + 1]);
}

export function isSpecialToken(table: TokenTable, id: number): boolean {
  return ((table.flags[id] ?? 0) & SPECIAL) !== 0;
}

/**
 * Builds the table. In a byte-level vocabulary a token's characters stand for bytes; in others its bytes are its
 * UTF-8. Added tokens replace vocabulary entries of the same id.
 */
export function buildTokenTable(spec: TokenizerJson, plan: DecoderPlan): TokenTable {
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of Object.entries(spec.model.vocab)) tokens[id] = token;
  const special = new Set<number>();
  for (const token of spec.added_tokens) {
    tokens[token.id] = token.content;
    if (token.special) special.add(token.id);
  }
  return layOut(tokens, special, plan.kind === "byte-level" ? byteLevelBytes : (token) => Buffer.from(token));
}

function layOut(
  tokens: readonly (string | undefined)[],
  special: ReadonlySet<number>,
  toBytes: (token: string) => Uint8Array,
): TokenTable {
  const offsets = new Uint32Array(tokens.length + 1);
  const flags = new Uint8Array(tokens.length);
  const pieces: Uint8Array[] = [];
  let end = 0;
  for (let id = 0; id < tokens.length; id++) {
    const token = tokens[id];
    if (token !== undefined) {
      const piece = toBytes(token);
      pieces.push(piece);
      end += piece.length;
      flags[id] = PRESENT | (special.has(id) ? SPECIAL : 0);
    }
    offsets[id + 1] = end;
  }
  const bytes = new Uint8Array(end);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return { bytes, offsets, flags };
}

/** GPT-2's alphabet: printable Latin-1 characters stand for themselves, the other bytes for U+0100 and up, in order. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const map = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    map.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  return map;
})();

/** A token with a character outside the alphabet (an added token in Chinese, say) stands for its own UTF-8. */
function byteLevelBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = BYTE_OF_CHARACTER.get(character);
    if (byte === undefined) return Buffer.from(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
