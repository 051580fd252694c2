import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../../build/native/punie_engine_errors", import.meta.url));

test("the engine outlives errors that nothing below it has seen to", async () => {
  const { stdout } = await promisify(execFile)(program, { timeout: 60_000 });
  expect(
    stdout
      .trim()
      .split("\n")
      .map((line) => line.slice(0, 4)),
  ).toEqual(Array(5).fill("ok  "));
});
