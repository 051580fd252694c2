// One process, one model, two ways to it: a route of the application's own, and an OpenAI-compatible API under /v1.
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { streamText } from "hono/streaming";
import { loadModel } from "punie";
import { createHandler } from "punie/server";

const model = await loadModel(process.env.PUNIE_MODEL);
const app = new Hono();

app.post("/explain", async (context) => {
  const { code } = await context.req.json();
  if (typeof code !== "string" || code === "") return context.json({ error: "code must be a text" }, 400);
  return streamText(context, async (stream) => {
    const stop = new AbortController();
    // A client that goes away stops the work on its answer.
    stream.onAbort(() => stop.abort());
    const messages = [{ role: "user", content: `Explain this code in two sentences:\n\n${code}` }];
    for await (const part of model.stream({ messages, maxTokens: 128, signal: stop.signal })) {
      if (part.type === "text-delta") await stream.write(part.text);
    }
  });
});

const handler = createHandler(model);
app.all("/v1/*", (context) => handler(context.req.raw));

const server = serve(
  { fetch: app.fetch, hostname: "127.0.0.1", port: Number(process.env.PORT ?? 3000) },
  ({ port }) => {
    console.log(`http://127.0.0.1:${port}`);
  },
);

for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections?.();
    model.dispose();
  });
}
