import { expect, it } from "vitest";
import { madeUpIds, spread } from "../../../src/bench/benchmark.js";

it.each([
  [[3], { median: 3, min: 3, max: 3 }],
  [[3, 1, 2], { median: 2, min: 1, max: 3 }],
  [[4, 1, 2, 3], { median: 2.5, min: 1, max: 4 }],
])("sums up %j", (values, expected) => {
  expect(spread(values)).toEqual(expected);
});

it("makes up ids of the vocabulary, others for each repetition and the same each time", () => {
  const ids = madeUpIds(1000, 50, 1);
  expect(Math.max(...ids)).toBe(49);
  expect(Math.min(...ids)).toBe(0);
  expect(ids).toEqual(madeUpIds(1000, 50, 1));
  expect(ids.slice(0, 8)).not.toEqual(madeUpIds(8, 50, 2));
});
