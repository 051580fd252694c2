/** What a check found, for people. */

import { formatBytes, formatMemory } from "../format-bytes.js";
import type { ModelCheck } from "./check-model.js";
import { formatTable } from "./format-text.js";

/** Lines without the last newline; `more` are rows that go before those of memory and speed. */
export function checkText(check: ModelCheck, more: readonly [string, string][] = []): string {
  const { model } = check;
  const rows: [string, string][] = [
    ["Runs here", check.runs ? "yes" : "no"],
    ...check.problems.map(({ part, message }) => [`Problem: ${part}`, message] as [string, string]),
    ...(model ? modelRows(model) : []),
    ...more,
    ...(model ? costRows(model) : []),
    ["Tokenizer", tokenizerText(check)],
    ["Chat template", check.hasTemplate ? "yes" : "no"],
  ];
  return formatTable(rows).join("\n");
}

type CheckedModel = NonNullable<ModelCheck["model"]>;

function modelRows({ modelType, weightBytes, quantization }: CheckedModel): [string, string][] {
  const mode = quantization?.mode === "affine" ? "" : ` ${quantization?.mode}`;
  const kind = quantization ? `${quantization.bits}-bit${mode}, group ${quantization.groupSize}` : "not quantized";
  return [
    ["Architecture", modelType],
    ["Weights", `${formatBytes(weightBytes)}, ${kind}`],
  ];
}

function costRows(model: CheckedModel): [string, string][] {
  const { memoryBytes, machineBytes, cacheBytes, contextLength, tokensPerSecond } = model;
  const fits = memoryBytes <= machineBytes ? "" : ", which is too little";
  const speed = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0));
  return [
    [
      "Memory",
      `${formatMemory(memoryBytes)} with a cache of ${formatMemory(cacheBytes)} for ${contextLength} tokens; ` +
        `this machine has ${formatMemory(machineBytes)}${fits}`,
    ],
    [
      "Speed",
      `about ${speed(tokensPerSecond.expected)} tokens/s, at most ${speed(tokensPerSecond.most)}: memory reads ` +
        `${(model.memoryBandwidthBytesPerSecond / 1e9).toFixed(1)} GB/s`,
    ],
  ];
}

function tokenizerText({ hasTokenizer, tokenizerClass }: ModelCheck): string {
  return hasTokenizer ? (tokenizerClass ?? "yes") : "none";
}
