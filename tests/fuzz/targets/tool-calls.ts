/** A model's text with tool calls in it: however the stream is cut, the same comes of it, and no text is lost. */
import type { ToolDefinition } from "../../../src/chat/messages.js";
import { createToolCallParser, type ToolCallPart } from "../../../src/chat/tool-calls.js";
import type { Random } from "../../helpers/random.js";
import { mutateBytes } from "../mutate-bytes.js";
import type { FuzzTarget } from "../run-cases.js";

const TOOLS: ToolDefinition[] = ["read_file", "write_file"].map((name) => ({
  type: "function",
  function: {
    name,
    parameters: { type: "object", properties: { path: { type: "string" }, count: { type: "integer" } } },
  },
}));

const JSON_CALL = '{"name": "read_file", "arguments": {"path": "a.ts", "count": 3}}';
const XML_CALL = "<function=write_file>\n<parameter=path>\na </parameter> b\n</parameter>\n</function>";
const TEXTS = [
  `Let me look.\n<tool_call>\n${JSON_CALL}\n</tool_call>\nDone.`,
  `<tool_call>\n${XML_CALL}\n</tool_call><tool_call>${JSON_CALL}</tool_call>`,
  `${XML_CALL}\n</tool_call> and <tools>${JSON_CALL}</tools>`,
  `Text\n\`\`\`json\n${JSON_CALL}\n\`\`\`\n\`\`\`js\nconst x = { a: 1 };\n\`\`\``,
  `${JSON_CALL} ${JSON_CALL}`,
  'a < b, `code`, { "name": "nothing" }, \\u00e9 \u{1f600} <tool_',
];
/** Places where one piece of a text may stand in another. */
const TAGS = /(<\/?[a-z_]+=?>?|```(?:json)?|[{}"\\])/;

export async function open(): Promise<FuzzTarget> {
  return {
    codes: [],
    run(random) {
      const text = damagedText(random);
      const truncated = random(2) === 0;
      const whole = parse([text], truncated);
      const cut = parse(pieces(text, random), truncated);
      if (JSON.stringify(whole) !== JSON.stringify(cut)) {
        throw new Error(`cut otherwise, other parts: ${JSON.stringify({ text, truncated, whole, cut })}`);
      }
      return whole.some((part) => typeof part !== "string") ? "calls" : "text";
    },
  };
}

function damagedText(random: Random): string {
  const one = TEXTS[random(TEXTS.length)] as string;
  const other = TEXTS[random(TEXTS.length)] as string;
  if (random(2) === 0) return new TextDecoder().decode(mutateBytes(Buffer.from(one), random));
  const parts = [...one.split(TAGS), ...other.split(TAGS)];
  return Array.from({ length: 1 + random(parts.length) }, (_, i) =>
    random(5) === 0 ? parts[random(parts.length)] : parts[i],
  ).join("");
}

function pieces(text: string, random: Random): string[] {
  const cut: string[] = [];
  for (let at = 0; at < text.length; ) {
    const end = at + 1 + random(random(2) === 0 ? 4 : 40);
    cut.push(text.slice(at, end));
    at = end;
  }
  return cut;
}

/** The parts without their random ids, adjacent texts joined: what does not depend on how the stream was cut. */
function parse(stream: string[], truncated: boolean): (string | object)[] {
  const parser = createToolCallParser({ tools: TOOLS });
  const joined: (string | object)[] = [];
  for (const part of [...stream.flatMap((text) => parser.push(text)), ...parser.end({ truncated })]) {
    const last = joined.at(-1);
    if (part.type !== "text-delta") joined.push(withoutId(part));
    else if (typeof last === "string") joined[joined.length - 1] = last + part.text;
    else joined.push(part.text);
  }
  return joined;
}

function withoutId(part: Exclude<ToolCallPart, { type: "text-delta" }>): object {
  return { ...part, id: undefined };
}
