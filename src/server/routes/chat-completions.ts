import type { ServerContext } from "../context.js";
import { eventStream } from "../event-stream.js";
import { toHttpError } from "../http-error.js";
import { fieldError, parseChatBody, toServedRequest } from "../openai/chat-request.js";
import { ChunkWriter, type Envelope, newEnvelope, toCompletion } from "../openai/chat-response.js";
import type { ChatBody } from "../openai/chat-schema.js";
import { readJson } from "../read-json.js";
import type { ServedPart, ServedRequest } from "../served-model.js";
import { checkModelName } from "./models.js";

/** `POST /v1/chat/completions`: one answer, as JSON or as server-sent events. */
export async function chatCompletions(request: Request, context: ServerContext): Promise<Response> {
  const { value } = await readJson(request, context.bodyLimitBytes);
  const body = parseChatBody(value);
  if (body.model != null) checkModelName(body.model, context);
  const reader = new AbortController();
  const gone = AbortSignal.any([request.signal, reader.signal]);
  const signal = AbortSignal.any([gone, context.stopping]);
  const envelope = newEnvelope(context.modelNames[0]);
  const asked = toServedRequest(body, context.model.generationDefaults ?? {}, signal);
  const parts = inTurn(asked, envelope.id, context);
  if (!body.stream) return Response.json(await toCompletion(envelope, parts, logprobsOf(body, context)));
  return await streamed({ gone, body, envelope, parts, context, onCancel: () => reader.abort() });
}

/** The model's answer, begun when it is this request's turn. */
async function* inTurn(request: ServedRequest, id: string, context: ServerContext): AsyncGenerator<ServedPart> {
  const leave = await context.queue.enter(request.signal);
  const startedAt = performance.now();
  let told = "not finished";
  try {
    for await (const part of context.model.stream(request)) {
      if (part.type === "finish") {
        const { promptTokens, completionTokens } = part.usage;
        told = `${part.finishReason}, ${promptTokens} + ${completionTokens} tokens`;
      }
      yield part;
    }
  } catch (error) {
    throw fieldError(error);
  } finally {
    leave();
    const why = told === "not finished" && request.signal.aborted ? " (the client left, or the server stops)" : "";
    context.log("info", `${id} ${told}${why} in ${Math.round(performance.now() - startedAt)} ms`);
  }
}

interface Streamed {
  /** Aborts when nobody reads on. */
  gone: AbortSignal;
  body: ChatBody;
  envelope: Envelope;
  parts: AsyncGenerator<ServedPart>;
  context: ServerContext;
  onCancel: () => void;
}

/**
 * An error that comes at once (a prompt too long, a full queue) is still told by the status. What takes longer than a
 * keep-alive's time gets its headers first.
 */
async function streamed({ gone, body, envelope, parts, context, onCancel }: Streamed): Promise<Response> {
  const first = parts.next();
  await Promise.race([first, delay(context.keepAliveMs)]);
  const writer = new ChunkWriter(envelope, {
    logprobs: logprobsOf(body, context),
    includeUsage: body.stream_options?.include_usage === true,
  });
  const produce = async (send: (data: string) => void) => {
    try {
      send(JSON.stringify(writer.first()));
      for (let next = await first; !next.done; next = await parts.next()) {
        const chunks = next.value.type === "finish" ? writer.finish(next.value) : [writer.part(next.value)];
        for (const chunk of chunks) send(JSON.stringify(chunk));
      }
      send("[DONE]");
    } catch (error) {
      // A client that went away is told nothing, and is nothing to be told of.
      if (gone.aborted) return;
      const told = toHttpError(error);
      if (told.status === 500) context.log("error", `${envelope.id} ${errorText(error)}`);
      send(JSON.stringify(told.body()));
    }
  };
  return eventStream(produce, { keepAliveMs: context.keepAliveMs, onCancel });
}

function logprobsOf(body: ChatBody, { model }: ServerContext) {
  return body.logprobs === true && ((id: number) => model.tokenBytes?.(id));
}

function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Doesn't keep a process alive. */
function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
