/**
 * The parts of tokenizer.json that normalize, split, wrap and decode text, checked as far as the library reads them:
 * it takes what it is given, and fails at the first text instead of when it is built.
 * Names and types: the `tokenizers` crate, whose files these are.
 */
import { z } from "zod";

export interface Component {
  type: string;
  [key: string]: unknown;
}

/** Parts of parts of parts; real files go two deep. */
const MAX_DEPTH = 8;

export const flag = z.boolean().nullish();
const text = z.string();
export const optionalText = z.string().nullish();
const pattern = z.union([z.looseObject({ Regex: text }), z.looseObject({ String: text })], {
  error: 'expected {"Regex": text} or {"String": text}',
});
const template = z.array(
  z.union(
    [z.looseObject({ SpecialToken: z.looseObject({ id: text }) }), z.looseObject({ Sequence: z.looseObject({}) })],
    {
      error: "expected a SpecialToken or a Sequence",
    },
  ),
);
const tokenAndId = z.tuple([text, z.int()], { error: "expected a token and its id" });

type Shapes = Record<string, z.ZodRawShape>;

const NORMALIZERS: Shapes = {
  BertNormalizer: { clean_text: flag, handle_chinese_chars: flag, strip_accents: flag, lowercase: flag },
  Prepend: { prepend: text },
  Replace: { pattern, content: text },
  Strip: { strip_left: flag, strip_right: flag },
};

const PRE_TOKENIZERS: Shapes = {
  ByteLevel: { add_prefix_space: flag, use_regex: flag },
  Digits: { individual_digits: flag },
  // A length of 0 would never come to the end of a text.
  FixedLength: { length: z.int().min(1) },
  Metaspace: { replacement: optionalText, str_rep: optionalText, prepend_scheme: optionalText, add_prefix_space: flag },
  Replace: { pattern, content: text },
  Split: { pattern, behavior: optionalText, invert: flag },
};

const POST_PROCESSORS: Shapes = {
  BertProcessing: { sep: tokenAndId, cls: tokenAndId },
  RobertaProcessing: { sep: tokenAndId, cls: tokenAndId },
  TemplateProcessing: { single: template },
};

const DECODERS: Shapes = {
  Metaspace: { replacement: optionalText, prepend_scheme: optionalText, add_prefix_space: flag },
  Replace: { pattern, content: text },
  Strip: { content: text, start: z.int().min(0), stop: z.int().min(0) },
};

/** A component of one kind, or null. `parts`: the key under which a Sequence has its components. */
function componentOf(shapes: Shapes, parts: string): z.ZodType<Component | null> {
  const known = new Map(Object.entries(shapes).map(([type, shape]) => [type, z.looseObject(shape)]));
  const level = (depth: number): z.ZodType<Component> => {
    const nested = depth > 0 ? z.array(level(depth - 1)) : z.never({ error: `nested more than ${MAX_DEPTH} deep` });
    const sequence = z.looseObject({ [parts]: nested });
    // What has no shape has nothing to check: a type that the library doesn't know is refused where it is built.
    return z.looseObject({ type: text }).superRefine((component, context) => {
      const checked = (component.type === "Sequence" ? sequence : known.get(component.type))?.safeParse(component);
      for (const { path, message } of checked?.error?.issues ?? []) context.addIssue({ code: "custom", path, message });
    });
  };
  return level(MAX_DEPTH).nullable().default(null);
}

export const normalizer = componentOf(NORMALIZERS, "normalizers");
export const preTokenizer = componentOf(PRE_TOKENIZERS, "pretokenizers");
export const postProcessor = componentOf(POST_PROCESSORS, "processors");
export const decoder = componentOf(DECODERS, "decoders");
