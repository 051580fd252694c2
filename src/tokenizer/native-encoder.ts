/** Byte-level BPE in the addon, for the families that it knows: loaded in hundredths of a second. */
import { setImmediate } from "node:timers/promises";
import { PunieError } from "../errors.js";
import { fromNative, loadBinding } from "../native/binding.js";
import type { NativeBinding, NativeTokenizer, NativeTokenizerLoad } from "../native/binding-types.js";
import type { EncodeOptions, Encoder, OpenedTokenizer } from "./encoder.js";
import { composeLikePython } from "./python-rules.js";

/**
 * Undefined for files that the addon doesn't serve, broken ones too: the library tells what is wrong with them.
 * Throws the signal's reason.
 */
export async function openNatively(
  directory: string,
  signal: AbortSignal | undefined,
): Promise<OpenedTokenizer | undefined> {
  signal?.throwIfAborted();
  const load = await whileWanted(nativeLoad(directory), signal);
  if (!load?.served) return undefined;
  const { tokenizer, bytes, offsets, flags, specialTokenIds, nfc } = load;
  return {
    loaded: { table: { bytes, offsets, flags }, plan: { kind: "byte-level" }, specialTokenIds },
    encoder: new NativeEncoder(tokenizer, nfc, directory),
  };
}

async function nativeLoad(directory: string): Promise<NativeTokenizerLoad | undefined> {
  let binding: NativeBinding;
  try {
    binding = loadBinding();
  } catch {
    // Text can be read without the addon; whoever runs a model is told.
    return undefined;
  }
  try {
    return await binding.loadTokenizer(directory);
  } catch (error) {
    throw fromNative(error, directory);
  }
}

/** What is loaded after the signal has aborted is let go of. */
function whileWanted(
  loading: Promise<NativeTokenizerLoad | undefined>,
  signal: AbortSignal | undefined,
): Promise<NativeTokenizerLoad | undefined> {
  if (!signal) return loading;
  return new Promise((resolve, reject) => {
    const abort = () => {
      reject(signal.reason);
      loading.then((load) => load?.served && load.tokenizer.dispose()).catch(() => undefined);
    };
    signal.addEventListener("abort", abort, { once: true });
    loading.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

class NativeEncoder implements Encoder {
  readonly #tokenizer: NativeTokenizer;
  readonly #nfc: boolean;
  readonly #directory: string;
  #closed = false;

  constructor(tokenizer: NativeTokenizer, nfc: boolean, directory: string) {
    this.#tokenizer = tokenizer;
    this.#nfc = nfc;
    this.#directory = directory;
  }

  async encode(text: string, { addSpecialTokens, parseSpecial }: Required<EncodeOptions>): Promise<number[]> {
    this.#requireOpen("used after it was closed");
    const prepared = this.#nfc ? await this.#compose(text, parseSpecial) : text;
    this.#requireOpen("closed while in use");
    try {
      return Array.from(await this.#tokenizer.encode(prepared, addSpecialTokens, parseSpecial));
    } catch (error) {
      throw fromNative(error, this.#directory);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#tokenizer.dispose();
  }

  #requireOpen(message: string): void {
    if (this.#closed) throw new PunieError("MODEL_DISPOSED", `tokenizer.json in ${this.#directory}: ${message}.`);
  }

  /** Added tokens are found in the text as it came: a combining mark after `<|im_end|>` leaves it whole. */
  async #compose(text: string, parseSpecial: boolean): Promise<string | (string | number)[]> {
    const composed = await composeInSlices(text);
    if (composed === text || !parseSpecial) return composed;
    this.#requireOpen("closed while in use");
    const pieces = this.#tokenizer.split(text);
    return Promise.all(pieces.map((piece) => (typeof piece === "string" ? composeInSlices(piece) : piece)));
  }
}

/** A slice takes up to 20 ms. */
const SLICE_LENGTH = 2 ** 20;

/** Long texts in slices, so that the event loop goes on between. */
async function composeInSlices(text: string): Promise<string> {
  if (text.length <= SLICE_LENGTH) return composeLikePython(text);
  let composed = "";
  for (let at = 0; at < text.length; ) {
    const end = sliceEnd(text, at + SLICE_LENGTH);
    composed += composeLikePython(text.slice(at, end));
    at = end;
    await setImmediate();
  }
  return composed;
}

/** An ASCII character never composes with what stands before it. */
function sliceEnd(text: string, from: number): number {
  let end = from;
  while (end < text.length && text.charCodeAt(end) >= 0x80) end++;
  return Math.min(end, text.length);
}
