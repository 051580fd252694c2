/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */

export interface EventStreamOptions {
  /** A comment is sent after this long without an event, so that nobody between takes the connection for dead. */
  keepAliveMs: number;
  /** The reader went away. */
  onCancel: () => void;
}

/** What may wait for a reader: thousands of tokens. Who falls behind further, or never reads, has gone. */
const MOST_UNREAD_BYTES = 4 * 1024 * 1024;

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
  const leave = () => {
    open = false;
    clearInterval(keepAlive);
    onCancel();
  };
  const unread = new ByteLengthQueuingStrategy({ highWaterMark: MOST_UNREAD_BYTES });
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const write = (text: string) => {
          if (!open) return;
          controller.enqueue(encoder.encode(text));
          if ((controller.desiredSize ?? 0) > 0) return;
          controller.error(new Error(`the reader is more than ${MOST_UNREAD_BYTES} bytes behind`));
          leave();
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
      cancel: leave,
    },
    unread,
  );
  const headers = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    // nginx holds a response back otherwise.
    "x-accel-buffering": "no",
  };
  return new Response(body, { headers });
}
