import { expect, test } from "vitest";
import { RequestLog } from "../../../src/isolation/request-log.js";
import type { NativeEvent, NativeRequest } from "../../../src/native/binding-types.js";

const REQUEST = { id: 1, prompt: new Uint32Array(10), maxTokens: 0, promptLogprobs: 1 } as NativeRequest;

/** Tokens `first` to `end` - 1 of the prompt, each with its index for a log-probability. */
function chunk(first: number, end: number): NativeEvent {
  const indices = Array.from({ length: end - first }, (_, i) => first + i);
  const top = indices.map((index): [number, number][] => [[index, -index]]);
  return { type: "prompt-logprobs", request: 1, first, logprobs: Float32Array.from(indices), top };
}

test("of a prompt that another engine begins again nothing is told twice, and nothing is left out", () => {
  const log = new RequestLog(REQUEST);
  expect(log.read(chunk(1, 5))).toEqual(chunk(1, 5));
  // The next one has other chunks: beside other requests, say.
  expect(log.read(chunk(1, 4))).toBe(undefined);
  expect(log.read(chunk(4, 8))).toEqual(chunk(5, 8));
  expect(log.read(chunk(8, 10))).toEqual(chunk(8, 10));
});
