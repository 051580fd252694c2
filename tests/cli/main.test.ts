import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { runCli } from "../../src/cli/run.js";
import { type RunResult, runPunie } from "../helpers/run-punie.js";

const NO_SOCKETS = fileURLToPath(new URL("../helpers/no-sockets.cjs", import.meta.url));
const COMMANDS = ["download-model", "models", "generate", "chat", "serve", "benchmark", "doctor", "completion"];

/** Runs the command line in this process: what never gets as far as a model needs none of its own. */
async function runHere(args: readonly string[]): Promise<RunResult> {
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      written[name] += text;
      return true;
    });
  }
  const exitCode = await runCli(args);
  return { ...written, exitCode };
}

describe("punie", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("alone prints its help on stderr and exits 2", async () => {
    const { stdout, stderr, exitCode } = await runPunie([]);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    for (const command of COMMANDS) expect(stderr).toContain(`  ${command} `);
  });

  it.each(["--version", "-v"])("%s prints the package's version on stdout", async (flag) => {
    expect(await runPunie([flag])).toEqual({ stdout: `${packageJson.version}\n`, stderr: "", exitCode: 0 });
  });

  it.each([
    ["--help"],
    ["help"],
    ...COMMANDS.flatMap((command) => [
      [command, "--help"],
      ["help", command],
    ]),
  ])("%s %s prints help with an example on stdout", async (...args) => {
    const { stdout, stderr, exitCode } = await runHere(args.filter((arg) => arg !== undefined));
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    expect(stdout).toMatch(/^Usage: punie/);
    expect(stdout).toMatch(/\n {2}\$ punie \S+/);
  });

  it.each([
    ["an unknown command", ["genrate"], "(Did you mean generate?)"],
    ["the help of an unknown command", ["help", "genrate"], "(Did you mean generate?)"],
    ["an unknown option", ["generate", "--temprature", "1"], "(Did you mean --temperature?)"],
    ["a missing value", ["generate", "--prompt"], "argument missing"],
    ["a text for a number", ["generate", "--prompt", "x", "--top-k", "many"], "Expected an integer, such as 40."],
    ["half a number", ["generate", "--prompt", "x", "--temperature", "0.5x"], "Expected a number, such as 0.7."],
    ["an empty number", ["generate", "--prompt", "x", "--seed", ""], "Expected an integer"],
    [
      "a number out of its range",
      ["generate", "--prompt", "x", "--top-p", "2"],
      "--top-p: expected a number above 0, up to 1",
    ],
    ["no threads", ["chat", "--threads", "0"], "Expected an integer above 0."],
    ["an unknown device", ["chat", "--device", "gpu"], "Allowed choices are auto, cpu, metal, cuda."],
    ["a bias without a value", ["generate", "--prompt", "x", "--logit-bias", "5"], "such as 42=-1.5"],
    ["broken ids", ["generate", "--prompt-ids", "1,,2"], "Expected token ids, such as 1,2,3."],
    ["an argument too many", ["doctor", "extra"], "too many arguments"],
    ["a prompt as an argument", ["generate", "hello"], "a prompt is given with --prompt TEXT"],
    ["no prompt", ["generate"], "give one of --prompt, --prompt-file, --prompt-ids and --messages; found none"],
    ["two prompts", ["generate", "--prompt", "x", "--prompt-ids", "1"], "found 2 of them"],
    ["log-probabilities that nothing would print", ["generate", "--prompt", "x", "--logprobs", "2"], "needs --json"],
    ["raw messages", ["generate", "--messages", "x.json", "--raw"], "--raw skips the chat template"],
    ["a raw system", ["generate", "--prompt", "x", "--raw", "--system", "x"], "--system needs the chat template"],
    ["two systems", ["generate", "--messages", "x.json", "--system", "x"], "--messages has its own"],
    ["raw tools", ["generate", "--prompt", "x", "--raw", "--tools", "x.json"], "--tools needs the chat template"],
  ])("refuses %s with exit code 2", async (_, args, message) => {
    const { stdout, stderr, exitCode } = await runHere(args);
    expect({ stdout, exitCode }).toEqual({ stdout: "", exitCode: 2 });
    expect(stderr).toContain(message);
  });
});

describe("a model that is not downloaded", () => {
  let empty: string;
  beforeAll(async () => {
    empty = await mkdtemp(join(tmpdir(), "punie models-"));
  });
  afterAll(() => rm(empty, { recursive: true }));

  const commands = [["generate", "--prompt", "x"], ["chat"], ["serve", "--port", "0"], ["benchmark"]];

  it.each(commands)("gives the two lines, exit 1 and no socket: %s", async (...command) => {
    const env = { HOME: empty, HF_HOME: empty, HF_HUB_CACHE: empty, PUNIE_MODELS_DIR: empty };
    const run = await runPunie([...command, "--model", "acme/absent"], { env, preload: [NO_SOCKETS] });
    expect(run).toEqual({
      stdout: "",
      stderr: "Model 'acme/absent' is not downloaded.\nDownload it with: punie download-model acme/absent\n",
      exitCode: 1,
    });
  });

  it("repeats --models-dir in the hint, quoted for a shell", async () => {
    const env = { HF_HUB_CACHE: empty };
    const { stderr } = await runPunie(["generate", "--prompt", "x", "--models-dir", empty], { env });
    expect(stderr).toBe(
      "Model 'mlx-community/Qwen2.5-Coder-7B-Instruct-4bit' is not downloaded.\n" +
        `Download it with: punie download-model mlx-community/Qwen2.5-Coder-7B-Instruct-4bit --models-dir '${empty}'\n`,
    );
  });

  it("is the one of PUNIE_MODEL, unless --model says otherwise", async () => {
    const env = { HOME: empty, HF_HUB_CACHE: empty, PUNIE_MODELS_DIR: empty, PUNIE_MODEL: "acme/from-environment" };
    const named = await runPunie(["chat"], { env });
    expect(named.stderr).toContain("Model 'acme/from-environment' is not downloaded.");
    const flagged = await runPunie(["chat", "--model", "acme/from-flag"], { env });
    expect(flagged.stderr).toContain("Model 'acme/from-flag' is not downloaded.");
  });

  it("is another thing than a path that isn't there, which gets no hint to download", async () => {
    const { stdout, stderr, exitCode } = await runPunie(["generate", "--prompt", "x", "--model", "./nowhere"]);
    expect({ stdout, stderr, exitCode }).toEqual({
      stdout: "",
      stderr: "./nowhere: there is no such file or directory.\n",
      exitCode: 1,
    });
  });
});
