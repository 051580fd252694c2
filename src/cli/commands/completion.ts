/** `punie completion`: what a shell needs to complete command lines of punie. */
import { Argument, Command } from "commander";
import { bashCompletion } from "../completion/bash.js";
import { fishCompletion } from "../completion/fish.js";
import { completionTree } from "../completion/tree.js";
import { zshCompletion } from "../completion/zsh.js";
import { answer } from "../output.js";
import { createProgram } from "../program.js";

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export function completionCommand(): Command {
  const shell = new Argument("<shell>", "whose script to print").choices(Object.keys(SCRIPTS));
  return new Command("completion")
    .addArgument(shell)
    .addHelpText("after", EXAMPLES)
    .action(async (shell: keyof typeof SCRIPTS) => {
      const program = await createProgram(() => true);
      answer(SCRIPTS[shell](completionTree(program)));
    });
}

const EXAMPLES = `
Examples:
  $ source <(punie completion bash)                                  # in ~/.bashrc
  $ source <(punie completion zsh)                                   # in ~/.zshrc, after compinit
  $ punie completion fish > ~/.config/fish/completions/punie.fish
`;
