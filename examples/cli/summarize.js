#!/usr/bin/env node
// Summarizes what comes in on stdin. The summary goes to stdout and nothing else does, so that it can be piped on.
import { text } from "node:stream/consumers";
import { loadModel, PunieError } from "punie";

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("interrupted")));
// Whoever reads has had enough: `| head -1`.
process.stdout.once("error", () => process.exit(0));

try {
  const input = await text(process.stdin);
  if (input.trim() === "") throw new Error("Nothing to summarize on stdin.");
  const model = await loadModel(process.env.PUNIE_MODEL, { signal: stop.signal });
  try {
    const messages = [
      { role: "system", content: "Summarize the user's text in one sentence." },
      { role: "user", content: input },
    ];
    for await (const part of model.stream({ messages, maxTokens: 128, signal: stop.signal })) {
      if (part.type === "text-delta") process.stdout.write(part.text);
    }
    process.stdout.write("\n");
  } finally {
    await model.dispose();
  }
} catch (error) {
  console.error(error instanceof PunieError ? `${error.code}: ${error.message}` : error.message);
  process.exitCode = stop.signal.aborted ? 130 : 1;
}
