import { describe, expect, it } from "vitest";
import { normalizeMessages, normalizeTools } from "../../../src/chat/messages.js";

const call = (given: unknown) => ({ type: "function", function: { name: "f", arguments: given } });

describe("messages", () => {
  it("come out with text as content and objects as arguments", () => {
    expect(
      normalizeMessages([
        {
          role: "system",
          content: [
            { type: "text", text: "a" },
            { type: "text", text: "b" },
          ],
        },
        { role: "user" },
        { role: "assistant", content: null, tool_calls: [call('{"a":1}'), call({ b: 2 }), call(""), call(null)] },
        { role: "tool", content: "x", tool_call_id: "1", name: null },
        { role: "assistant", content: "y", tool_calls: [], extra: 1 },
      ]),
    ).toEqual([
      { role: "system", content: "ab" },
      { role: "user", content: "" },
      { role: "assistant", content: "", tool_calls: [call({ a: 1 }), call({ b: 2 }), call({}), call({})] },
      { role: "tool", content: "x", tool_call_id: "1" },
      { role: "assistant", content: "y", extra: 1 },
    ]);
  });

  const refused: [title: string, messages: unknown, message: RegExp][] = [
    ["no array", "Hi", /^messages: /],
    ["an empty array", [], /^messages: expected at least one message/],
    ["an unknown role", [{ role: "robot", content: "" }], /^messages\[0\]\.role: /],
    ["a number as content", [{ role: "user", content: 3 }], /^messages\[0\]\.content/],
    ["an image", [{ role: "user", content: [{ type: "image_url", image_url: {} }] }], /^messages\[0\]\.content.*text/],
    [
      "arguments that are no JSON",
      [{ role: "user" }, { role: "assistant", tool_calls: [call("{")] }],
      /^messages\[1\]\.tool_calls\[0\]\.function\.arguments: expected an object/,
    ],
    [
      "arguments that are a list",
      [{ role: "assistant", tool_calls: [call("[1]")] }],
      /^messages\[0\]\.tool_calls\[0\]\.function\.arguments/,
    ],
    [
      "a call without a name",
      [{ role: "assistant", tool_calls: [{ function: {} }] }],
      /^messages\[0\]\.tool_calls\[0\]\.function\.name/,
    ],
  ];

  it.each(refused)("are refused, with the place: %s", (_, messages, message) => {
    expect(() => normalizeMessages(messages)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringMatching(message) }),
    );
  });
});

describe("tools", () => {
  it("pass as they are", () => {
    const tools = [
      { type: "function", function: { name: "f", parameters: { type: "object", properties: { b: {}, a: {} } } } },
    ];
    expect(JSON.stringify(normalizeTools(tools))).toBe(JSON.stringify(tools));
  });

  const refused: [title: string, tools: unknown, message: RegExp][] = [
    ["no array", {}, /^tools: /],
    ["no function", [{ type: "function" }], /^tools\[0\]\.function: /],
    ["another type", [{ type: "web", function: { name: "x" } }], /^tools\[0\]\.type: /],
    [
      "a name twice",
      [1, 2].map(() => ({ type: "function", function: { name: "x" } })),
      /^tools\[1\]\.function\.name: 'x' is declared twice/,
    ],
  ];

  it.each(refused)("are refused, with the place: %s", (_, tools, message) => {
    expect(() => normalizeTools(tools)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringMatching(message) }),
    );
  });
});
