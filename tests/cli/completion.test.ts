import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runPunie } from "../helpers/run-punie.js";

const SHELLS = ["bash", "zsh", "fish"];
/** bash is everywhere; the others' syntax is checked where they are. */
const SYNTAX_CHECKS = SHELLS.filter((shell) => shell === "bash" || spawnSync(shell, ["--version"]).status === 0);

let directory: string;
const scripts = new Map<string, string>();
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "punie-completion-"));
  for (const shell of SHELLS) {
    const { stdout, stderr, exitCode } = await runPunie(["completion", shell]);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    scripts.set(shell, stdout);
    await writeFile(join(directory, shell), stdout);
  }
});
afterAll(() => rm(directory, { recursive: true }));

/** What bash offers when Tab is pressed at the end of the last word. */
function offered(...words: string[]): string[] {
  const program = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _punie; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ["--norc", "-c", program, "bash", join(directory, "bash"), "punie", ...words];
  return execFileSync("bash", args, { encoding: "utf8" }).split("\n").filter(Boolean);
}

describe("the completion script", () => {
  it.each(SYNTAX_CHECKS)("of %s is one that it can read", (shell) => {
    const { status, stderr } = spawnSync(shell, ["-n", join(directory, shell)], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it.each(SHELLS)("of %s has every command, its flags and their values", (shell) => {
    const script = scripts.get(shell);
    for (const name of ["download-model", "models", "generate", "completion"]) expect(script).toContain(name);
    for (const flag of ["dry-run", "models-dir", "top-p", "yes"]) expect(script).toContain(flag);
    expect(script).toMatch(/auto\W+cpu\W+metal\W+cuda/);
  });

  it.each<[string, string[], string[]]>([
    ["commands", ["gen"], ["generate"]],
    ["subcommands", ["models", ""], ["list", "show", "verify", "remove", "check", "help"]],
    ["a command's flags", ["generate", "--model"], ["--model", "--models-dir"]],
    ["a subcommand's flags", ["models", "remove", "--y"], ["--yes"]],
    ["flags after others and their values", ["generate", "--prompt", "chat", "--log"], ["--logit-bias", "--logprobs"]],
    ["a flag's values", ["chat", "--device", ""], ["auto", "cpu", "metal", "cuda"]],
    ["an argument's values", ["completion", "z"], ["zsh"]],
    ["the commands there is help for", ["help", "do"], ["download-model", "doctor"]],
    ["files (bash's own list) for any other value", ["generate", "--prompt-file", ""], []],
  ])("offers %s", (_, words, expected) => {
    expect(offered(...words).sort()).toEqual([...expected].sort());
  });
});

it("a shell that is not known is wrong usage", async () => {
  const { stdout, stderr, exitCode } = await runPunie(["completion", "tcsh"]);
  expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
  expect(stderr).toContain("Allowed choices are bash, zsh, fish.");
});
