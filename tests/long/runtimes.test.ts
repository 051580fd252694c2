import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { packPackage, programThatAnswers, REQUIRE_LINE, TASK, UserMachine } from "../helpers/installed-package.js";
import { runtimes } from "../helpers/npm-tools.js";

let packed: string;
let user: UserMachine;

/** A messages request, so that the template's thread runs too, then a request that is aborted, then the end. */
const STREAM = `
import { loadModel } from "punie";
const model = await loadModel("./model", { device: "cpu" });
const messages = [{ role: "user", content: "What is the capital of Ghana?" }];
let text = "";
for await (const part of model.stream({ messages })) if (part.type === "text-delta") text += part.text;
const controller = new AbortController();
let reason;
try {
  for await (const part of model.stream({ prompt: [1, 2, 3], ignoreEos: true, maxTokens: 2000, signal: controller.signal }))
    controller.abort(new Error("enough"));
} catch (error) {
  reason = error.message;
}
await model.dispose();
console.log(JSON.stringify({ text, reason }));
`;

beforeAll(() => {
  packed = mkdtempSync(path.join(tmpdir(), "punie-packed-"));
  user = new UserMachine({
    "a.mjs": programThatAnswers(),
    "a.cjs": programThatAnswers(REQUIRE_LINE),
    "stream.mjs": STREAM,
    "exit.mjs": `import { loadModel } from "punie";
      const model = await loadModel("./model");
      for await (const part of model.stream({ prompt: [1], ignoreEos: true, maxTokens: 2000 })) process.exit(7);`,
    "missing.mjs": `import { loadModel } from "punie";
      await loadModel("org/missing", { modelsDir: "./none" }).catch((error) => console.log(error.code));`,
  });
  user.install(packPackage(packed));
}, 1_800_000);

afterAll(() => {
  user?.remove();
  rmSync(packed, { recursive: true, force: true });
});

describe.each(runtimes())("the packed package under $name", ({ command: [program, ...first] }) => {
  const run = (...args: string[]) => user.run(program, [...first, ...args]);

  it("answers by import and by require", () => {
    expect(run("a.mjs")).toEqual({ status: 0, stdout: `${TASK.text}\n`, stderr: "" });
    const { status, stdout } = run("a.cjs");
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${TASK.text}\n` });
  });

  it("streams, stops when aborted, and ends by itself", () => {
    const { status, stdout, stderr } = run("stream.mjs");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({ text: TASK.text, reason: "enough" });
  });

  it("ends by process.exit in the middle of an answer", () => {
    expect(run("exit.mjs")).toEqual({ status: 7, stdout: "", stderr: "" });
  });

  it("gives errors with their codes", () => {
    expect(run("missing.mjs")).toEqual({ status: 0, stdout: "MODEL_NOT_DOWNLOADED\n", stderr: "" });
  });

  it("runs the command", () => {
    const main = path.join(user.package, "dist", "cli", "main.js");
    const { status, stdout } = run(main, "generate", "--model", "./model", "--prompt-ids", TASK.promptIds.join(","));
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${TASK.text}\n` });
  });
});
