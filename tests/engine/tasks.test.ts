/** 200 tasks of the tiny model: answers are mlx-lm's in float32, to the letter. Goldens: scripts/make-goldens.py. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type GenerateResult, loadModel, type Model } from "../../src/index.js";
import { readGolden, TINY_CODER } from "../helpers/golden.js";

type MessagesRequest = Extract<Parameters<Model["generate"]>[0], { messages: unknown }>;

interface Task {
  messages: MessagesRequest["messages"];
  tools: boolean;
  promptIds: number[];
  answerIds: number[];
  text: string;
}

const golden = readGolden<{ tools: NonNullable<MessagesRequest["tools"]>; tasks: Task[] }>("tasks");

let model: Model;
let results: { task: Task; result: GenerateResult }[];

beforeAll(async () => {
  model = await loadModel(TINY_CODER);
  results = [];
  for (const task of golden.tasks) {
    const { messages, tools } = task;
    results.push({ task, result: await model.generate({ messages, ...(tools && { tools: golden.tools }) }) });
  }
});

afterAll(() => model.dispose());

/** The calls in an answer as the tiny model writes them, one JSON object per `<tool_call>`. */
function callsIn(text: string): unknown[] {
  return [...text.matchAll(/<tool_call>\n(.*?)\n<\/tool_call>/gs)].map((match) => JSON.parse(match[1] as string));
}

/** Tasks for which the two differ, with both. */
function differences(actual: (task: Task, result: GenerateResult) => unknown, expected: (task: Task) => unknown) {
  return results
    .map(({ task, result }) => ({ actual: actual(task, result), expected: expected(task) }))
    .filter((pair) => JSON.stringify(pair.actual) !== JSON.stringify(pair.expected));
}

describe("on 200 sampled tasks of the tiny model", () => {
  test("there are 200, with and without tools and calls", () => {
    expect(golden.tasks).toHaveLength(200);
    expect(golden.tasks.filter((task) => callsIn(task.text).length > 0).length).toBeGreaterThan(30);
  });

  test("the template gives mlx-lm's prompt ids", () => {
    const found = differences(
      (_, result) => result.promptTokens,
      (task) => task.promptIds,
    );
    expect(found).toEqual([]);
  });

  test("the answers are mlx-lm's in float32, id by id", () => {
    const found = differences(
      (_, result) => result.tokens.map((token) => token.id),
      (task) => task.answerIds,
    );
    expect(found).toEqual([]);
  });

  test("the text of each answer, tool calls included, is mlx-lm's to the letter", async () => {
    for (const { task } of results) {
      const { text } = await model.generate({ prompt: task.promptIds });
      expect(text).toBe(task.text);
    }
  });

  test("text outside of tool calls is kept as it is", () => {
    const found = differences(
      (_, result) => result.text?.trim(),
      (task) => task.text.replace(/<tool_call>.*?<\/tool_call>/gs, "").trim(),
    );
    expect(found).toEqual([]);
  });

  test("the tool calls are those that stand in mlx-lm's text", () => {
    const found = differences(
      (_, result) => result.toolCalls.map((call) => ({ name: call.name, arguments: call.arguments })),
      (task) => callsIn(task.text),
    );
    expect(found).toEqual([]);
    expect(results.flatMap(({ result }) => result.invalidToolCalls)).toEqual([]);
  });

  test("each answer ends as it says", () => {
    const found = differences(
      (_, result) => result.finishReason,
      (task) => (callsIn(task.text).length > 0 ? "tool-calls" : "stop"),
    );
    expect(found).toEqual([]);
  });
});
