import { expect, test } from "vitest";
import { eventStream } from "../../src/server/event-stream.js";

const DATA = "x".repeat(64 * 1024);

test("a reader that never reads is taken for gone before much waits for it", async () => {
  let gone = 0;
  let sent = 0;
  const produce = async (send: (data: string) => void) => {
    for (; gone === 0 && sent < 10_000; sent += 1) {
      send(DATA);
      await Promise.resolve();
    }
  };
  const response = eventStream(produce, { keepAliveMs: 10_000, onCancel: () => void gone++ });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(gone).toBe(1);
  expect(sent * DATA.length).toBeLessThan(5 * 1024 * 1024);
  await expect(response.text()).rejects.toThrow("behind");
});

test("a reader that reads gets all, however much it is", async () => {
  const produce = async (send: (data: string) => void) => {
    for (let i = 0; i < 200; i++) {
      send(DATA);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  };
  const response = eventStream(produce, { keepAliveMs: 10_000, onCancel: () => expect.unreachable() });
  expect((await response.text()).length).toBe(200 * (DATA.length + "data: \n\n".length));
});
