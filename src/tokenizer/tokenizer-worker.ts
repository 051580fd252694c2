/** Thread entry: owns the library's tokenizer, which takes a second to build from a real vocabulary. */
import { workerData } from "node:worker_threads";
import { Tokenizer } from "@huggingface/tokenizers";
import { PunieError } from "../errors.js";
import { type Answer, serveRequests } from "../worker/serve-requests.js";
import { planDecoder } from "./decoder-plan.js";
import type { LoadedTokenizer } from "./encoder.js";
import { normalizeLikePython, splitLikePython } from "./python-rules.js";
import { buildTokenTable } from "./token-table.js";
import { readTokenizerSpec, type TokenizerJson } from "./tokenizer-spec.js";

export type TokenizerRequest =
  | { op: "load" }
  | { op: "encode"; text: string; addSpecialTokens: boolean; parseSpecial: boolean };

interface Encoders {
  spec: TokenizerJson;
  /** Finds added tokens in the text, as Python does. */
  parsing: Tokenizer;
  /** Takes the text of added tokens for text. */
  plain: Tokenizer;
}

const { directory } = workerData as { directory: string };
const encoders = build();
// The first request is told; unhandled, the rejection would end the thread before.
encoders.catch(() => {});

async function build(): Promise<Encoders> {
  const spec = await readTokenizerSpec(directory);
  try {
    const parsing = new Tokenizer(spec, {});
    splitLikePython(parsing.pre_tokenizer);
    normalizeLikePython(parsing.normalizer);
    const plain = new Tokenizer({ ...spec, added_tokens: [], model: { type: "BPE", vocab: {}, merges: [] } }, {});
    plain.model = parsing.model;
    plain.pre_tokenizer = parsing.pre_tokenizer;
    plain.normalizer = parsing.normalizer;
    return { spec, parsing, plain };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new PunieError("MODEL_CORRUPT", `tokenizer.json in ${directory}: ${message}`, { cause: error });
  }
}

function load(spec: TokenizerJson): Answer {
  const plan = planDecoder(spec);
  const table = buildTokenTable(spec, plan);
  const specialTokenIds = spec.added_tokens.filter((token) => token.special).map((token) => token.id);
  const value: LoadedTokenizer = { table, plan, specialTokenIds };
  return { value, transfer: [table.bytes.buffer, table.offsets.buffer, table.flags.buffer] };
}

serveRequests<TokenizerRequest & { id: number }>(async (request) => {
  const { spec, parsing, plain } = await encoders;
  if (request.op === "load") return load(spec);
  const encoder = request.parseSpecial ? parsing : plain;
  const { ids, tokens } = encoder.encode(request.text, { add_special_tokens: request.addSpecialTokens });
  const unknown = tokens[(ids as (number | undefined)[]).indexOf(undefined)];
  if (unknown !== undefined) {
    // The unknown token itself, or one that is put around the text.
    const token = JSON.stringify(unknown);
    throw new PunieError("MODEL_CORRUPT", `tokenizer.json in ${directory}: ${token} is not in the vocabulary.`);
  }
  return { value: ids };
}, "INTERNAL");
