import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const binary = fileURLToPath(new URL("../../build/native/punie_native_tests", import.meta.url));

/** What the program printed and how it ended; never throws, so that a failure shows its lines. */
async function runNativeTests(): Promise<{ code: unknown; output: string }> {
  try {
    const { stdout } = await promisify(execFile)(binary, { timeout: 120_000, maxBuffer: 1 << 24 });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, signal, stdout, stderr } = error as Record<"code" | "signal" | "stdout" | "stderr", unknown>;
    return { code: code ?? signal, output: `${stdout ?? ""}${stderr ?? ""}` };
  }
}

test("the native kernels keep their promises", { timeout: 150_000 }, async () => {
  const { code, output } = await runNativeTests();
  expect(code, `${binary} ended with ${code}:\n${output}`).toBe(0);
  expect(output).toMatch(/^[1-9]\d* native tests, 0 failed$/m);
});
