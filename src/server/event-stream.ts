/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */

export interface EventStreamOptions {
  /** A comment is sent after this long without an event, so that nobody between takes the connection for dead. */
  keepAliveMs: number;
  /** The reader went away. */
  onCancel: () => void;
}

/**
 * A response whose events `produce` sends as it goes; it ends when `produce` does.
 * @param produce Must not reject: what goes wrong is an event too.
 */
export function eventStream(
  produce: (send: (data: string) => void) => Promise<void>,
  { keepAliveMs, onCancel }: EventStreamOptions,
): Response {
  const encoder = new TextEncoder();
  let open = true;
  let keepAlive: NodeJS.Timeout | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const write = (text: string) => {
        if (open) controller.enqueue(encoder.encode(text));
      };
      keepAlive = setInterval(() => write(": keep-alive\n\n"), keepAliveMs);
      const send = (data: string) => {
        write(`data: ${data}\n\n`);
        keepAlive?.refresh();
      };
      // Not awaited: what `start` waits for would hold back the reader's cancel.
      void produce(send).finally(() => {
        clearInterval(keepAlive);
        if (open) controller.close();
        open = false;
      });
    },
    cancel() {
      open = false;
      clearInterval(keepAlive);
      onCancel();
    },
  });
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    // nginx holds a response back otherwise.
    "x-accel-buffering": "no",
  };
  return new Response(body, { headers });
}
