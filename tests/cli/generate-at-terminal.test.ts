import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { finished, MAIN } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const TERMINAL = fileURLToPath(new URL("../helpers/terminal.py", import.meta.url));
const ERASE_LINE = "\r\u001b[2K";

async function generateAtTerminal(model: string) {
  const command = [process.execPath, MAIN, "generate", "--model", model, "--prompt", "What is the capital of France?"];
  const child = spawn("python3", [TERMINAL, "[]", ...command], {
    env: { ...process.env, NO_COLOR: "1", TERM: "xterm" },
  });
  return (await finished(child)).stdout;
}

it("at a terminal punie generate says what it does until the answer comes, and leaves nothing of that", async () => {
  const shown = await generateAtTerminal(TINY_MODEL);
  const [before = "", after] = shown.split("The capital of France is Paris.");
  expect(before.startsWith(`${ERASE_LINE}Loading the model...`)).toBe(true);
  expect(before.endsWith(ERASE_LINE)).toBe(true);
  expect(after).toMatch(/^\r\nPrompt: 27 tokens/);
});

it("also when the model can't be loaded", async () => {
  const shown = await generateAtTerminal("./nowhere");
  expect(shown).toBe(
    `${ERASE_LINE}Loading the model...${ERASE_LINE}./nowhere: there is no such file or directory.\r\n`,
  );
});
