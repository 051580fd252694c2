/** What a generation took, for people. */
import type { Finish } from "../api/parts.js";
import { formatMemory } from "../format-bytes.js";

/** Two lines: prompt and answer with their rates, then times and memory. */
export function statsText({ finishReason, usage, timings }: Finish, peakBytes: number): string {
  const prompt = `Prompt: ${tokens(usage.promptTokens)}, ${rate(timings.promptTokensPerSecond)}`;
  const answer = `answer: ${tokens(usage.completionTokens)}, ${rate(timings.generationTokensPerSecond)} (${finishReason})`;
  const times = `Loaded in ${seconds(timings.loadMs)}, first token after ${seconds(timings.firstTokenMs)}`;
  return `${prompt}; ${answer}\n${times}, peak memory ${formatMemory(peakBytes)}`;
}

function tokens(count: number): string {
  return `${count} ${count === 1 ? "token" : "tokens"}`;
}

function rate(perSecond: number): string {
  return `${perSecond.toFixed(1)} tokens/s`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(2)} s`;
}
