import { describe, expect, it } from "vitest";
import { stringifyExact } from "../../../src/chat/exact-json.js";
import type { ToolDefinition } from "../../../src/chat/messages.js";
import { createToolCallParser, type ToolCallPart } from "../../../src/chat/tool-calls.js";

const tools: ToolDefinition[] = [
  tool("read_file", { path: { type: "string" } }, ["path"]),
  tool("write_file", { path: { type: "string" }, content: { type: "string" } }, ["path", "content"]),
  tool("search", {
    query: { type: "string" },
    limit: { type: "integer" },
    ratio: { type: "number" },
    exact: { type: "boolean" },
    tags: { type: "array", items: { type: "string" } },
    where: { type: "object" },
    after: { type: ["string", "null"] },
    mode: { enum: ["fast", "slow"] },
    either: { anyOf: [{ type: "integer" }, { type: "string" }] },
  }),
  tool("list", {}),
];

function tool(name: string, properties: Record<string, unknown>, required: string[] = []): ToolDefinition {
  return { type: "function", function: { name, parameters: { type: "object", properties, required } } };
}

/** A part without its random id, adjacent texts joined: what doesn't depend on how the stream was cut. */
type Seen = string | { name: string; args: unknown } | { raw: string; reason: string };

function see(parts: ToolCallPart[]): Seen[] {
  const seen: Seen[] = [];
  for (const part of parts) {
    if (part.type === "text-delta") {
      const last = seen.at(-1);
      if (typeof last === "string") seen[seen.length - 1] = last + part.text;
      else seen.push(part.text);
    } else if (part.type === "tool-call") {
      seen.push({ name: part.name, args: part.arguments });
    } else {
      seen.push({ raw: part.raw, reason: part.reason });
    }
  }
  return seen;
}

function parse(pieces: string[], truncated = false): Seen[] {
  const parser = createToolCallParser({ tools });
  return see([...pieces.flatMap((piece) => parser.push(piece)), ...parser.end({ truncated })]);
}

const read = { name: "read_file", args: { path: "a.ts" } };
const readJson = '{"name": "read_file", "arguments": {"path": "a.ts"}}';
const quoted = { name: "write_file", args: { path: "x", content: "</tool_call></parameter>\n```\n</tools>{" } };
const quotedJson = JSON.stringify({ name: quoted.name, arguments: quoted.args });
const readXml = "<function=read_file>\n<parameter=path>\na.ts\n</parameter>\n</function>";

const accepted: [title: string, text: string, expected: Seen[]][] = [
  ["JSON in <tool_call>", `<tool_call>\n${readJson}\n</tool_call>`, [read]],
  ["JSON in <tool_call> without line breaks", `<tool_call>${readJson}</tool_call>`, [read]],
  ["XML in <tool_call>", `<tool_call>\n${readXml}\n</tool_call>`, [read]],
  ["XML without the opening tag", `${readXml}\n</tool_call>`, [read]],
  ["XML without tags around it", readXml, [read]],
  ["JSON in <tools>", `<tools>\n${readJson}\n</tools>`, [read]],
  ["fenced json", `\`\`\`json\n${readJson}\n\`\`\``, [read]],
  ["two objects in one fence", `\`\`\`json\n${readJson}\n${readJson}\n\`\`\`\n`, [read, read, "\n"]],
  ["a fence without a language", `\`\`\`\n${readJson}\n\`\`\``, [read]],
  ["bare JSON", readJson, [read]],
  ["bare JSON after code on its line", `\`\`\`x\`\`\`: ${readJson}`, ["```x```: ", read]],
  ["bare JSON after code on a line of its own", `\`\`\`x\`\`\`\n${readJson}`, ["```x```\n", read]],
  ["bare JSON after a block of code", `~~~\n\`\`\`\n~~~\n${readJson}`, ["~~~\n```\n~~~\n", read]],
  [
    "bare JSON after an object that is broken off",
    `{"a": {"b": 1}\n\nNow ${readJson}`,
    ['{"a": {"b": 1}\n\nNow ', read],
  ],
  ["bare JSON after a string that is broken off", `{"a b\n${readJson}`, ['{"a b\n', read]],
  ["a whole call between backticks", `\`<tool_call>${readJson}</tool_call>\``, ["`", read, "`"]],
  ["bare JSON after text on its line", `Sure: ${readJson} done`, ["Sure: ", read, " done"]],
  ["arguments before the name", '{"arguments": {"path": "a.ts"}, "name": "read_file"}', [read]],
  [
    "arguments as JSON text",
    '<tool_call>{"name":"read_file","arguments":"{\\"path\\":\\"a.ts\\"}"}</tool_call>',
    [read],
  ],
  [
    "a second name in place of the first",
    '{"name": "list", "name": "read_file", "arguments": {"path": "a.ts"}}',
    [read],
  ],
  ["a tool without parameters", '<tool_call>{"name":"list","arguments":{}}</tool_call>', [{ name: "list", args: {} }]],
  ["XML without parameters", "<function=list>\n</function>", [{ name: "list", args: {} }]],
  ["closing tags inside JSON strings", `<tool_call>${quotedJson}</tool_call>`, [quoted]],
  ["closing tags inside strings, fenced", `\`\`\`json\n${quotedJson}\n\`\`\``, [quoted]],
  ["closing tags inside strings, bare", `${quotedJson}`, [quoted]],
  ["closing tags inside strings, <tools>", `<tools>${quotedJson}</tools>`, [quoted]],
  [
    "</parameter> inside an XML value",
    "<tool_call><function=write_file><parameter=path>x</parameter>\n<parameter=content>\na</parameter>b</tool_call>```\n</parameter></function></tool_call>",
    [{ name: "write_file", args: { path: "x", content: "a</parameter>b</tool_call>```" } }],
  ],
  [
    "indentation and final newline of an XML value",
    "<function=write_file><parameter=path>x</parameter><parameter=content>\n  if x:\n    y\n\n</parameter></function>",
    [{ name: "write_file", args: { path: "x", content: "  if x:\n    y\n" } }],
  ],
  [
    "calls in the order of the text, and the text around them as it was",
    ` \n<tool_call>\n${readJson}\n</tool_call>\n mid \t<tool_call>\n${readXml}\n</tool_call>\n\n${readJson}\r\n end`,
    [" \n", read, "\n mid \t", read, "\n\n", read, "\r\n end"],
  ],
];

const keptAsText: [title: string, text: string][] = [
  ["prose", "a < b && c > d, `code`, {x} and {{y}}; <tool> <tool_cal <function> ``` {"],
  ["code with braces", "function f() { return { a: 1, 'b': [2] }; }\nconst s = {\"k\", 1};"],
  ["an object whose name is no tool", '{"name": "Ada", "age": 36}'],
  ["an object whose first name is no tool", '{"name": "Ada", "name": "read_file", "arguments": {"path": "a.ts"}}'],
  ["an object without arguments", '{"name": "read_file", "path": "a.ts"}'],
  ["an object around a call", `{"call": ${readJson}}`],
  ["a fenced object that is no call", '```json\n{"a": 1}\n```\n'],
  ["a call as an example in other code", `\`\`\`python\ncall = ${readJson}\n\`\`\`\n`],
  ["a call quoted in backticks", `Write \`${readJson}\`.`],
  [
    "a call in a block whose fence is longer than those in it",
    `\`\`\`\`md\n\`\`\`json\n${readJson}\n\`\`\`\n\`\`\`\`\n`,
  ],
  [
    "a call in a block after code on a line of its own",
    `\`\`\`x\`\`\` is it.\n\n\`\`\`python\nx = ${readJson}\n\`\`\`\n`,
  ],
  ["a call in a block of tildes", `~~~\n${readJson}\n~~~\n`],
  [
    "a call in a block with a shorter fence and one with a word",
    `\`\`\`\`\n\`\`\`\n\`\`\`\` x\n${readJson}\n\`\`\`\`\n`,
  ],
  ["a call around what was cut off", `{"a": [${readJson}`],
  ["tags that are named", "Put calls in `<tool_call>` tags, or write `<function=name>` and then `</function>`."],
  ["a quoted tag at the end", "Begin with `<tool_call>"],
  ["a quoted call with dots in it", 'As `<tool_call>{"name": ...}</tool_call>`.'],
  ["a function that is named", "Write <function=name> to begin a call. It ends with </function>, as you know."],
  ["a tag that is named, and much after it", `Calls begin with <tool_call> and so on. ${"More. ".repeat(300)}`],
  ["a fence around a call and more", `\`\`\`json\n${readJson},\n${readJson}\n\`\`\`\n`],
  ["<tools> with something else", "<tools>none</tools>"],
  ["an unfinished object", '{"name": "read_'],
  ["an unfinished fence", "```js"],
];

const refused: [title: string, text: string, reason: RegExp, raw?: string][] = [
  ["malformed JSON", '<tool_call>{"name": "read_file", "arguments": {"path": }}</tool_call>', /malformed JSON/],
  ["an unclosed brace", '<tool_call>{"name": "list", "arguments": {}</tool_call>', /malformed JSON/],
  [
    "a line break in a string",
    '<tool_call>{"name": "read_file", "arguments": {"path": "a\nb"}}</tool_call>',
    /malformed JSON/,
  ],
  ["no JSON at all", '<tool_call>read_file("a.ts")</tool_call>', /expected a JSON object/],
  ["nothing", "<tool_call></tool_call>", /expected a JSON object/],
  ["an unknown tool", '<tool_call>{"name": "rm", "arguments": {}}</tool_call>', /unknown tool 'rm'/],
  ["an unknown tool in XML", "<function=rm></function>", /unknown tool 'rm'/],
  ["no arguments", '<tool_call>{"name": "list"}</tool_call>', /no arguments/],
  ["no name", '<tool_call>{"arguments": {}}</tool_call>', /no name/],
  ["a missing parameter", '<tool_call>{"name": "read_file", "arguments": {}}</tool_call>', /'path' is missing/],
  ["a wrong type", '{"name": "read_file", "arguments": {"path": 3}}', /arguments\.path: expected string, found number/],
  [
    "a wrong type in XML",
    "<function=search><parameter=limit>many</parameter></function>",
    /expected integer, found string/,
  ],
  ["a value outside an enum", "<function=search><parameter=mode>odd</parameter></function>", /expected one of/],
  ["text between XML parameters", "<tool_call><function=list>x</function></tool_call>", /expected <parameter=/],
  [
    "a fenced call with a line break in a string",
    '```json\n{"name": "read_file", "arguments": {"path": "a\nb"}}\n```',
    /malformed JSON/,
  ],
];

describe("tool calls in a stream", () => {
  it.each(accepted)("takes %s", (_, text, expected) => {
    expect(parse([text])).toEqual(expected);
  });

  it.each(keptAsText)("keeps %s as text", (_, text) => {
    expect(parse([text])).toEqual([text]);
  });

  it.each(refused)("reports %s", (_, text, reason) => {
    const [first, ...rest] = parse([text]);
    expect(first).toMatchObject({ reason: expect.stringMatching(reason) });
    expect(rest).toEqual([]);
    expect(text).toContain((first as { raw: string }).raw);
  });

  it("types XML values by the schema", () => {
    const values = {
      query: "42",
      limit: "7",
      ratio: "0.5",
      exact: "True",
      tags: '["a", "b"]',
      where: '{"x": 1}',
      after: "null",
      mode: "fast",
      either: "12",
      other: "5",
    };
    const parameters = Object.entries(values).map(([key, value]) => `<parameter=${key}>\n${value}\n</parameter>\n`);
    expect(parse([`<function=search>\n${parameters.join("")}</function>`])).toEqual([
      {
        name: "search",
        args: {
          query: "42",
          limit: 7,
          ratio: 0.5,
          exact: true,
          tags: ["a", "b"],
          where: { x: 1 },
          after: null,
          mode: "fast",
          either: 12,
          other: "5",
        },
      },
    ]);
  });

  it("remembers integers that JavaScript rounds, and refuses numbers that JSON has not", () => {
    const written = '{"limit":1234567890123456789,"where":{"a":[-98765432109876543210,1.5,"12345678901234567890"]}}';
    const parameters =
      '<parameter=limit>\n1234567890123456789\n</parameter><parameter=where>{"a":[-98765432109876543210,1.5,"12345678901234567890"]}</parameter>';
    const texts = [
      `{"name": "search", "arguments": ${written}}`,
      JSON.stringify({ name: "search", arguments: written }),
      `<function=search>${parameters}</function>`,
    ];
    for (const text of texts) {
      const parser = createToolCallParser({ tools });
      const [part] = [...parser.push(text), ...parser.end()];
      if (part?.type !== "tool-call") throw new Error(JSON.stringify(part));
      expect(stringifyExact(part.arguments)).toBe(written);
      expect(part.arguments).toEqual(JSON.parse(written));
      part.arguments.limit = 7;
      expect(JSON.parse(stringifyExact(part.arguments))).toMatchObject({ limit: 7 });
    }
    expect(parse(['<tool_call>{"name": 1.0, "arguments": {}}</tool_call>'])).toMatchObject([
      { reason: "the call has no name" },
    ]);
    expect(parse(['{"name": "search", "arguments": {"where": {"a": [1e999]}}}'])).toMatchObject([
      { reason: "arguments.where.a[0]: the number is too large" },
    ]);
  });

  it("finds the same whatever the cuts", () => {
    const texts = [...accepted, ...keptAsText, ...refused].map(([, text]) => text);
    texts.push(texts.join("\n"), texts.join(""));
    for (const text of texts) {
      const whole = parse([text]);
      expect(parse([...text])).toEqual(whole);
      for (let cut = 1; cut < Math.min(text.length, 150); cut++) {
        expect(parse([text.slice(0, cut), text.slice(cut)])).toEqual(whole);
      }
    }
  });

  it("reports a call that the token limit cut at any character", () => {
    for (const [, text] of accepted.slice(0, 3)) {
      for (let cut = "<tool_call>".length; cut < text.length; cut++) {
        const raw = text.slice(0, cut);
        expect(parse([raw], true)).toEqual([{ raw, reason: "the call was cut off before its end" }]);
      }
    }
    const bare = readJson.slice(0, -3);
    expect(parse([bare], true)).toEqual([{ raw: bare, reason: "the call was cut off before its end" }]);
    expect(parse([`\`\`\`json\n${bare}`], true)).toEqual([
      { raw: bare, reason: "the call was cut off before its end" },
    ]);
  });

  it("takes a complete call whose closing tag the model left out", () => {
    expect(parse([`<tool_call>\n${readJson}\n`])).toEqual([read]);
    expect(parse([`\`\`\`json\n${readJson}`])).toEqual([read]);
  });

  it("goes on after a malformed call", () => {
    expect(parse([`<tool_call>{"name": oops</tool_call> then <tool_call>${readJson}</tool_call>.`])).toEqual([
      { raw: '<tool_call>{"name": oops</tool_call>', reason: expect.stringContaining("malformed JSON") },
      " then ",
      read,
      ".",
    ]);
  });

  it("loses not a byte of random mixtures", () => {
    const pieces = [
      "<tool_call>",
      "</tool_call>",
      readJson,
      readXml,
      "<tools>",
      "</tools>",
      "```json\n",
      "\n```",
      "\n",
      "{",
      "}",
      '"',
      "a ",
      "`",
      "<",
      "é👩",
      '{"name": "read_file", ',
    ];
    let seed = 1;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    for (let round = 0; round < 1000; round++) {
      const text = Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)]).join("");
      const cuts = [...text].reduce<string[]>((all, c) => {
        if (all.length === 0 || random(3) === 0) all.push(c);
        else all[all.length - 1] += c;
        return all;
      }, []);
      const whole = parse([text]);
      expect(parse(cuts), JSON.stringify(text)).toEqual(whole);
      const kept = whole.filter((part) => typeof part === "string").join("");
      if (whole.every((part) => typeof part === "string")) expect(kept).toBe(text);
    }
  });

  it("holds text back only while it could begin a call", () => {
    const parser = createToolCallParser({ tools });
    const held: [piece: string, out: string][] = [
      ["Hello <", "Hello "],
      ["b>x", "<b>x"],
      ["<tool_", ""],
      ["x", "<tool_x"],
      ['{"na', ""],
      ['me": "Ad', '{"name": "Ad'],
      ["\n``", "\n"],
      ["`ts\n", "```ts\n"],
      ["{", "{"],
      ["\n```\n", "\n```\n"],
      ['{ "a" ', ""],
      ["b", '{ "a" b'],
    ];
    for (const [piece, out] of held) {
      expect(
        parser
          .push(piece)
          .map((part) => (part.type === "text-delta" ? part.text : part))
          .join(""),
      ).toBe(out);
    }
  });

  it("stays fast on a long call in small pieces", () => {
    const content = 'x = "a"\n'.repeat(20_000);
    const text = `<tool_call>${JSON.stringify({ name: "write_file", arguments: { path: "x", content } })}</tool_call>`;
    const pieces = text.match(/[\s\S]{1,4}/g) ?? [];
    expect(parse(pieces)).toEqual([{ name: "write_file", args: { path: "x", content } }]);
  });

  it("stays fast on what is nested and no call", () => {
    for (const text of ['{"a":['.repeat(50_000), `${'{"a":'.repeat(50_000)}1${',"name":"x"}'.repeat(50_000)}`]) {
      expect(parse([text])).toEqual([text]);
      expect(parse(text.match(/[\s\S]{1,4000}/g) ?? [])).toEqual([text]);
    }
  });

  it("stays fast on strings that lines break", () => {
    const text = '{":\n'.repeat(20_000);
    expect(parse([text])).toEqual([text]);
    expect(parse(text.match(/[\s\S]{1,5}/g) ?? [])).toEqual([text]);
  });

  it("refuses arguments that nest without end", () => {
    const deep = `{"name": "list", "arguments": {"a": ${"[".repeat(5000)}1.0${"]".repeat(5000)}}}`;
    expect(parse([`<tool_call>${deep}</tool_call>`])).toMatchObject([
      { raw: expect.any(String), reason: expect.any(String) },
    ]);
    const allowed = `{"name": "list", "arguments": {"a": ${"[".repeat(200)}1.0${"]".repeat(200)}}}`;
    expect(parse([allowed])).toMatchObject([{ name: "list" }]);
  });

  it("is as one about a stray tag wherever the stream is cut", () => {
    for (let filler = 990; filler < 1030; filler++) {
      for (const text of [
        `<tool_call>${"x".repeat(filler)}</tool_call> y`,
        `<function=list>${"x".repeat(filler)}</function> y`,
      ]) {
        const whole = parse([text]);
        for (const cut of [1023, 1024, 1025, 1028, 1031, 1036]) {
          expect(parse([text.slice(0, cut), text.slice(cut)]), `${filler} ${cut}`).toEqual(whole);
        }
      }
    }
  });

  it("keeps a call whole that the token limit cuts in its first parameter", () => {
    const text = `<tool_call>\n<function=write_file>\n<parameter=content>\n${"line\n".repeat(500)}`;
    const pieces = text.match(/[\s\S]{1,100}/g) ?? [];
    expect(parse(pieces, true)).toEqual([{ raw: text, reason: "the call was cut off before its end" }]);
  });

  it("holds no prose back for a tag that it names", () => {
    const parser = createToolCallParser({ tools });
    const pieces = ["`<tool_call>` tags ", "hold ", "calls"];
    expect(see(pieces.flatMap((piece) => parser.push(piece)))).toEqual([pieces.join("")]);
  });

  it("gives every call its own id", () => {
    const parser = createToolCallParser({ tools });
    const parts = [...parser.push(`${readJson}${readJson}`), ...parser.end()];
    const ids = parts.map((part) => (part.type === "tool-call" ? part.id : ""));
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toMatch(/^call_[0-9a-f]{24}$/);
  });
});
