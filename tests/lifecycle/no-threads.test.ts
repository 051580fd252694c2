import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { runProgram } from "../helpers/run-program.js";

const LIBRARY = fileURLToPath(new URL("../../build/native/punie_no_threads.so", import.meta.url));

test.runIf(process.platform === "linux")(
  "where the system starts no thread for a model, loading fails with the reason; later it loads, and the process ends",
  async () => {
    const { stdout, stderr, exitCode } = await runProgram(
      `
      // The threads that Node starts at need are there before.
      const first = await loadModel(MODEL);
      await first.dispose();
      process.env.PUNIE_TEST_NO_THREADS = "1";
      const error = await loadModel(MODEL).catch((error) => error);
      console.log(error.code, error.message);
      delete process.env.PUNIE_TEST_NO_THREADS;
      const second = await loadModel(MODEL);
      console.log((await second.generate({ prompt: [1, 2, 3], maxTokens: 4, ignoreEos: true })).usage.completionTokens);
      await second.dispose();
      process.env.PUNIE_TEST_NO_THREADS = "1";
      await loadModel(MODEL).catch(() => {});
      `,
      { env: { ...process.env, LD_PRELOAD: [process.env.LD_PRELOAD ?? [], LIBRARY].flat().join(" ") } },
    );
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toMatch(
      /^OUT_OF_MEMORY \S+tiny-coder-4bit: The system starts no more threads for this process\. .*ulimit -u.*\n4\n$/,
    );
  },
);
