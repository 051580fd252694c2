import type { ServedDefaults, ServedModel, ServedPart, ServedRequest } from "../../src/server/index.js";

export const USAGE = { promptTokens: 5, cachedTokens: 2, completionTokens: 3 };

export const HELLO: ServedPart[] = [
  { type: "text-delta", text: "Hel" },
  { type: "text-delta", text: "lo" },
  { type: "finish", finishReason: "stop", usage: USAGE },
];

/** Answers with the given parts, and keeps what it was asked. */
export class FakeModel implements ServedModel {
  readonly requests: ServedRequest[] = [];
  /** How many streams were begun and not left. */
  running = 0;
  mostRunning = 0;
  #gate: Promise<void> | undefined;

  constructor(
    private readonly parts: readonly (ServedPart | Error)[] = HELLO,
    readonly generationDefaults: ServedDefaults = {},
  ) {}

  /** From now on streams stop after their first part until what is returned is called. */
  hold(): () => void {
    let open = () => {};
    this.#gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  }

  async *stream(request: ServedRequest): AsyncGenerator<ServedPart> {
    this.requests.push(request);
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      for (const [index, part] of this.parts.entries()) {
        // The first part goes out, so that a stream can be seen to have begun.
        if (index === 1 && this.#gate) await untilAborted(this.#gate, request.signal);
        request.signal.throwIfAborted();
        if (part instanceof Error) throw part;
        yield part;
      }
    } finally {
      this.running--;
    }
  }
}

function untilAborted(gate: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    void gate.then(resolve);
  });
}

/** Waits for something that another task brings about. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`still not so: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
