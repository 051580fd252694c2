import { setImmediate } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { WorkerThread } from "../../../src/worker/worker-thread.js";

const thread = new WorkerThread({ entry: "chat/template-worker.js", heapMiB: 64, subject: "The template" });
afterEach(() => thread.close());

const request = (template: string) => ({ template, source: "x.jinja", variables: "{}", now: 0 });

function holdUp(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

describe("a thread's time limit", () => {
  it("is not for the time in which its answer could not be read", async () => {
    expect(await thread.request(request("warm"), { timeoutMs: 30_000 })).toBe("warm");
    for (const held of [600, 2500]) {
      const answer = thread.request(request("{{ 1 + 1 }}"), { timeoutMs: 500 });
      await setImmediate(); // timers come next, before messages
      holdUp(held);
      expect(await answer).toBe("2");
    }
  });
});
