const MAX_TOKENS = 256;

/**
 * Loads the model in this process and streams its answer to stdout; the numbers go to `say` at the end.
 * @param {{ path: string, prompt: string, signal: AbortSignal, say: (line: string) => void }} options
 */
export async function streamAnswer({ path, prompt, signal, say }) {
  const { loadModel } = await import("../../dist/index.js");
  const model = await loadModel(path, { signal });
  try {
    const messages = [{ role: "user", content: prompt }];
    for await (const part of model.stream({ messages, maxTokens: MAX_TOKENS, signal })) {
      if (part.type === "text-delta") process.stdout.write(part.text);
      if (part.type === "finish") {
        process.stdout.write("\n");
        for (const line of summary(part)) say(line);
      }
    }
  } finally {
    await model.dispose();
  }
}

function summary({ finishReason, usage, timings }) {
  const rounded = (value, digits = 0) => value.toFixed(digits);
  const speed = `${rounded(timings.generationTokensPerSecond, 1)} tokens/s`;
  const ended = finishReason === "length" ? ` (stopped at ${MAX_TOKENS} tokens)` : "";
  return [
    `\n${usage.completionTokens} tokens at ${speed}${ended}`,
    `prompt: ${usage.promptTokens} tokens at ${rounded(timings.promptTokensPerSecond)} tokens/s`,
    `loaded in ${rounded(timings.loadMs)} ms, first token after ${rounded(timings.firstTokenMs)} ms`,
  ];
}
