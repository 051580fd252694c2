/**
 * Token ids to text, piece by piece. What `push` and `end` return joins to exactly the text of all ids at once, and no
 * piece ends in half a character. Runs on the calling thread, in time proportional to the text.
 */
import type { DecoderPlan, PiecesPlan } from "./decoder-plan.js";
import { isSpecialToken, type TokenTable, tokenBytes } from "./token-table.js";

export interface StreamDecoder {
  /** Text that is certain once these tokens are known. Ids without a token give nothing. */
  push(ids: Iterable<number>): string;
  /** The rest: U+FFFD for bytes that never became a character. The decoder is then as new. */
  end(): string;
}

export interface DecodeOptions {
  /** Leave out the tokens that the vocabulary marks special (`<|im_end|>`). Default false. */
  skipSpecialTokens?: boolean;
}

export function createStreamDecoder(table: TokenTable, plan: DecoderPlan, options: DecodeOptions = {}): StreamDecoder {
  const wanted = (id: number) => !(options.skipSpecialTokens && isSpecialToken(table, id));
  return plan.kind === "byte-level" ? new ByteLevelDecoder(table, wanted) : new PiecesDecoder(table, plan, wanted);
}

/** Lossy like WHATWG's and Rust's decoders; a byte order mark is text like any other. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const strictUtf8 = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

class ByteLevelDecoder implements StreamDecoder {
  readonly #table: TokenTable;
  readonly #wanted: (id: number) => boolean;
  /** The start of a character, at most three bytes. */
  #held: Uint8Array = new Uint8Array(0);

  constructor(table: TokenTable, wanted: (id: number) => boolean) {
    this.#table = table;
    this.#wanted = wanted;
  }

  push(ids: Iterable<number>): string {
    const pieces = [this.#held];
    for (const id of ids) {
      const bytes = this.#wanted(id) ? tokenBytes(this.#table, id) : undefined;
      if (bytes) pieces.push(bytes);
    }
    const all = Buffer.concat(pieces);
    const end = all.length - incompleteLength(all);
    this.#held = all.subarray(end);
    return utf8.decode(all.subarray(0, end));
  }

  end(): string {
    const text = utf8.decode(this.#held);
    this.#held = new Uint8Array(0);
    return text;
  }
}

/** How many bytes at the end are a valid beginning of a character that more bytes could complete. */
function incompleteLength(bytes: Uint8Array): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const lead = bytes[bytes.length - length] as number;
    if (lead < 0x80) return 0;
    if (lead < 0xc0) continue;
    const needed = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length >= needed || lead < 0xc2 || lead > 0xf4) return 0;
    // The second byte's range rules out overlong forms, surrogates and what lies past U+10FFFF.
    const second = length > 1 ? (bytes[bytes.length - length + 1] as number) : undefined;
    if (second === undefined) return length;
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    return second >= low && second <= high ? length : 0;
  }
  return 0;
}

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;

class PiecesDecoder implements StreamDecoder {
  readonly #table: TokenTable;
  readonly #plan: PiecesPlan;
  readonly #wanted: (id: number) => boolean;
  /** A run of byte tokens: what it means is known at its end only. */
  #run: number[] = [];
  #first = true;
  #toStrip: number;

  constructor(table: TokenTable, plan: PiecesPlan, wanted: (id: number) => boolean) {
    this.#table = table;
    this.#plan = plan;
    this.#wanted = wanted;
    this.#toStrip = plan.stripStart?.count ?? 0;
  }

  push(ids: Iterable<number>): string {
    let text = "";
    for (const id of ids) {
      const bytes = this.#wanted(id) ? tokenBytes(this.#table, id) : undefined;
      if (bytes) text += this.#add(utf8.decode(bytes));
    }
    return this.#strip(text);
  }

  end(): string {
    const text = this.#strip(this.#flushRun());
    this.#first = true;
    this.#toStrip = this.#plan.stripStart?.count ?? 0;
    return text;
  }

  #add(token: string): string {
    let piece = token;
    if (this.#first && this.#plan.dropInFirst) piece = piece.replaceAll(this.#plan.dropInFirst, "");
    const separator = this.#first ? "" : this.#plan.separator;
    this.#first = false;
    for (const [from, to] of this.#plan.replacements) piece = piece.replaceAll(from, to);
    const byte = this.#plan.byteFallback ? BYTE_TOKEN.exec(piece)?.[1] : undefined;
    if (byte !== undefined) {
      this.#run.push(Number.parseInt(byte, 16));
      return "";
    }
    return this.#flushRun() + separator + piece;
  }

  #flushRun(): string {
    if (this.#run.length === 0) return "";
    const run = Uint8Array.from(this.#run);
    this.#run = [];
    try {
      return strictUtf8.decode(run);
    } catch {
      return "\ufffd".repeat(run.length);
    }
  }

  #strip(text: string): string {
    const { stripStart } = this.#plan;
    let from = 0;
    while (stripStart && this.#toStrip > 0 && from < text.length) {
      if (text[from] === stripStart.character) {
        from++;
        this.#toStrip--;
      } else {
        this.#toStrip = 0;
      }
    }
    return text.slice(from);
  }
}
