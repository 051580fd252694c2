import { expect, test } from "vitest";
import { compileGlob } from "../../src/hub/glob.js";
import { RangeSet } from "../../src/hub/range-set.js";
import { backoffMs, retryAfterMs } from "../../src/hub/retry.js";
import { selectFiles } from "../../src/hub/select-files.js";
import { TransientError } from "../../src/hub/transient-error.js";

test("a range set is the set of its bytes, whatever the order", () => {
  // A small linear congruence, so that the cases are the same each time.
  let state = 7;
  const next = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state % below;
  };
  for (let round = 0; round < 200; round++) {
    const size = 40;
    const set = new RangeSet();
    const bytes = new Array<boolean>(size).fill(false);
    for (let i = 0; i < 6; i++) {
      const start = next(size);
      const end = start + next(size - start + 1);
      set.add(start, end);
      bytes.fill(true, start, end);
    }
    const firstMissing = bytes.indexOf(false);
    const gapEnd = bytes.indexOf(true, firstMissing);
    expect(set.total).toBe(bytes.filter(Boolean).length);
    expect(set.contiguous).toBe(firstMissing === -1 ? size : firstMissing);
    expect(set.firstGap(size)).toEqual(firstMissing === -1 ? undefined : [firstMissing, gapEnd === -1 ? size : gapEnd]);
    expect(set.ranges.every(([start, end]) => end > start)).toBe(true);
  }
});

test.each([
  ["*.json", "config.json", true],
  ["*.json", "onnx/config.json", true],
  ["*.json", "config.jsonl", false],
  ["model-0000?-of-*", "model-00001-of-00009.safetensors", true],
  ["onnx/", "onnx/model.onnx", true],
  ["onnx/", "my-onnx/model.onnx", false],
  ["[Rr]eadme*", "Readme.md", true],
  ["[!a]*", "abc", false],
  ["a.c", "abc", false],
  ["a[", "a[", true],
  ["***********************************x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false],
])("glob %s and %s: %s", (pattern, path, expected) => {
  expect(compileGlob(pattern).test(path)).toBe(expected);
});

test("selects what a model needs, and no other framework's copies", () => {
  const needed = [
    "config.json",
    "generation_config.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "vocab.txt",
    "merges.txt",
    "qwen.tiktoken",
    "chat_template.jinja",
    "additional_chat_templates/tool_use.jinja",
    "1_Pooling/config.json",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
  ];
  const others = [
    ".gitattributes",
    "pytorch_model.bin",
    "original/consolidated.00.pth",
    "consolidated.safetensors",
    "model.gguf",
    "flax_model.msgpack",
    "tf_model.h5",
    "onnx/model.onnx",
    "onnx/config.json",
    "openvino/model.safetensors",
    "modeling_custom.py",
    "figure.png",
  ];
  const files = [...others, ...needed].map((path) => ({
    path,
    size: 1,
    hash: { type: "git-sha1", value: "" } as const,
  }));
  expect(selectFiles(files, {}, "org/model").map(({ path }) => path)).toEqual(needed);
});

test.each([
  ["5", 5000],
  ["0", 0],
  ["Thu, 01 Jan 1970 00:01:00 GMT", 30_000],
  ["Thu, 01 Jan 1970 00:00:00 GMT", 0],
  ["soon", undefined],
  [null, undefined],
])("Retry-After %s is %s ms", (header, expected) => {
  expect(retryAfterMs(header, 30_000)).toBe(expected);
});

test("the wait doubles up to half a minute, and as long as the server asks, within five minutes", () => {
  const policy = { attempts: 20, baseMs: 500 };
  const failed = new TransientError("no");
  for (const [failures, bound] of [
    [1, 500],
    [3, 2000],
    [20, 30_000],
  ] as const) {
    const wait = backoffMs(policy, failures, failed);
    expect(wait).toBeGreaterThanOrEqual(bound / 2);
    expect(wait).toBeLessThanOrEqual(bound);
  }
  expect(backoffMs(policy, 1, new TransientError("busy", { retryAfterMs: 7000 }))).toBe(7000);
  expect(backoffMs(policy, 1, new TransientError("busy", { retryAfterMs: 9e9 }))).toBe(300_000);
});
