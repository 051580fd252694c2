import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { finished, MAIN } from "../helpers/run-punie.js";
import { TINY_MODEL } from "../helpers/tiny-model.js";

const TERMINAL = fileURLToPath(new URL("../helpers/terminal.py", import.meta.url));
const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const PASTE = (text: string) => `\u001b[200~${text}\u001b[201~`;
/** The prompt, after readline has cleared its line. */
const PROMPT = ">>> ";

/** A chat at a terminal. Each text is typed once the terminal shows what matches the pattern before it. */
async function chatAtTerminal(steps: [pattern: string, typed: string][], ...args: string[]) {
  const command = [process.execPath, MAIN, "chat", "--model", TINY_MODEL, ...args];
  const child = spawn("python3", [TERMINAL, JSON.stringify(steps), ...command], {
    env: { ...process.env, NO_COLOR: "1", TERM: "xterm" },
  });
  const { stdout, stderr, exitCode } = await finished(child);
  expect(stderr).toBe("");
  return { shown: stdout, exitCode };
}

describe("punie chat at a terminal", () => {
  it("greets, answers at its prompt and leaves with 0 at Ctrl-D", async () => {
    const { shown, exitCode } = await chatAtTerminal([
      [PROMPT, "What is the capital of France?\r"],
      [`Paris\\.[\\s\\S]*${PROMPT}`, CTRL_D],
    ]);
    expect(shown).toContain("/help lists commands, Ctrl-D leaves.");
    expect(shown).toContain("The capital of France is Paris.\r\n");
    expect(exitCode).toBe(0);
  });

  it("takes a paste of several lines as one message, sent with Enter", async () => {
    const { shown } = await chatAtTerminal([
      [PROMPT, PASTE("/system one\rtwo\rthree")],
      ["three", "\r"],
      [`System message: one\r\ntwo\r\nthree\r\n[\\s\\S]*${PROMPT}`, CTRL_D],
    ]);
    expect(shown).not.toContain("Paris");
  });

  it("drops a line at Ctrl-C and leaves at the second one, with 130", async () => {
    const { shown, exitCode } = await chatAtTerminal([
      [PROMPT, "half a mess"],
      ["half a mess", CTRL_C],
      [`Ctrl-C again leaves[\\s\\S]*${PROMPT}`, "/halp\r"],
      [`no command '/halp'[\\s\\S]*${PROMPT}`, CTRL_C],
      [`Ctrl-C again leaves[\\s\\S]*${PROMPT}`, CTRL_C],
    ]);
    expect(exitCode).toBe(130);
    expect(shown).toContain("There is no command '/halp'.");
  });

  it("stops an answer at Ctrl-C and goes on, also past a Ctrl-C for what was typed after it", async () => {
    const endless = ["--logit-bias", "1263=-1000", "--logit-bias", "1261=-1000"];
    const { exitCode } = await chatAtTerminal(
      [
        [PROMPT, "Tell me more.\r"],
        ["more\\.[\\s\\S]*\\w{3}", CTRL_C],
        [`Stopped\\. Ctrl-C again leaves\\.[\\s\\S]*${PROMPT}`, "half a line"],
        ["half a line", CTRL_C],
        [`Ctrl-C again leaves, as Ctrl-D does\\.[\\s\\S]*${PROMPT}`, "/stats\r"],
        [`There is no answer yet[\\s\\S]*${PROMPT}`, CTRL_D],
      ],
      ...endless,
    );
    expect(exitCode).toBe(0);
  });
});
