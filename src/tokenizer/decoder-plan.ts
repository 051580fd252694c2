/**
 * How token texts become one text: the `decoder` of tokenizer.json, as far as language models use it. Two families:
 * byte-level (GPT-2, Qwen, Llama 3), where tokens are bytes, and pieces (SentencePiece: Llama 2, Mistral, Gemma), where
 * tokens are text with "▁" for a space and `<0xAB>` for a single byte.
 */
import { PunieError } from "../errors.js";
import type { Component } from "./component-spec.js";
import type { TokenizerJson } from "./tokenizer-spec.js";

export interface PiecesPlan {
  kind: "pieces";
  /** Replaced in every token's text, in this order. */
  replacements: [from: string, to: string][];
  /** Dropped from the first token, wherever in it: Metaspace's rule. */
  dropInFirst?: string;
  /** Runs of `<0xAB>` tokens are UTF-8; a run that is not valid gives one U+FFFD per byte. */
  byteFallback: boolean;
  /** Up to this many of this character are cut from the start of the whole text. */
  stripStart?: { character: string; count: number };
  /** Put between tokens. */
  separator: string;
}

export type DecoderPlan = { kind: "byte-level" } | PiecesPlan;

/** Throws `MODEL_UNSUPPORTED` for a decoder that is neither family's. */
export function planDecoder(spec: TokenizerJson): DecoderPlan {
  const decoder = spec.decoder;
  if (decoder === null) return { kind: "pieces", replacements: [], byteFallback: false, separator: " " };
  const steps = flatten(decoder);
  if (steps.length === 1 && steps[0]?.type === "ByteLevel") return { kind: "byte-level" };
  const plan: PiecesPlan = { kind: "pieces", replacements: [], byteFallback: false, separator: "" };
  let fused = false;
  for (const step of steps) {
    if (!addStep(plan, step, fused)) {
      const found = steps.map(({ type }) => type).join(", ");
      throw new PunieError(
        "MODEL_UNSUPPORTED",
        `tokenizer.json: decoder ${found} is not supported; ByteLevel, Metaspace and SentencePiece's sequence are.`,
      );
    }
    fused ||= step.type === "Fuse";
  }
  return plan;
}

function flatten(decoder: Component): Component[] {
  if (decoder.type !== "Sequence") return [decoder];
  return (decoder.decoders as Component[]).flatMap(flatten);
}

function addStep(plan: PiecesPlan, step: Component, fused: boolean): boolean {
  switch (step.type) {
    case "Replace": {
      const from = (step.pattern as { String?: unknown } | undefined)?.String;
      if (fused || plan.byteFallback || typeof from !== "string" || typeof step.content !== "string") return false;
      plan.replacements.push([from, step.content]);
      return true;
    }
    case "ByteFallback":
      plan.byteFallback = true;
      return !fused;
    case "Fuse":
      return true;
    case "Strip": {
      const { content, start, stop } = step;
      if (!fused || typeof content !== "string" || typeof start !== "number" || stop !== 0) return false;
      plan.stripStart = { character: content, count: start };
      return true;
    }
    case "Metaspace": {
      const replacement = typeof step.replacement === "string" ? step.replacement : "▁";
      const scheme = step.prepend_scheme ?? (step.add_prefix_space === false ? "never" : "always");
      if (scheme !== "never") plan.dropInFirst = replacement;
      plan.replacements.push([replacement, " "]);
      return !fused && !plan.byteFallback;
    }
    default:
      return false;
  }
}
