import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { finished, runPunie, startPunie, untilWritten } from "../helpers/run-punie.js";
import { copyTinyModel, TINY_MODEL } from "../helpers/tiny-model.js";

const FRANCE = "What is the capital of France?";
const PARIS = "The capital of France is Paris.";
/** Both end tokens made impossible: an answer that goes on to its limit, with time to interrupt it. */
const ENDLESS = ["--logit-bias", "1263=-1000", "--logit-bias", "1261=-1000"];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "punie-chat-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A chat over a pipe, one message per line. */
const chat = (lines: string[], ...args: string[]) =>
  runPunie(["chat", "--model", TINY_MODEL, ...args], { input: lines.map((line) => `${line}\n`).join("") });

describe("punie chat over a pipe", () => {
  it("answers line by line on stdout, and leaves with 0 at the end of the input", async () => {
    expect(await chat([FRANCE, "", "What is 2 + 3?"])).toEqual({
      stdout: `${PARIS}\n2 + 3 = 5\n`,
      stderr: "",
      exitCode: 0,
    });
  });

  it("answers a last line without its newline, and joins a line that ends with a backslash to the next", async () => {
    const run = await runPunie(["chat", "--model", TINY_MODEL], { input: `/system two \\\nlines\n${FRANCE}` });
    // With a system message it was not trained on, this model goes on after its answer.
    expect(run).toEqual({
      stdout: expect.stringContaining(PARIS),
      stderr: "System message: two \nlines\n",
      exitCode: 0,
    });
  });

  it("remembers what was said, saves it, clears it and loads it again", async () => {
    const saved = join(folder, "saved.json");
    const cleared = join(folder, "cleared.json");
    const { stdout, stderr, exitCode } = await chat(
      ["/system Be brief.", FRANCE, `/save ${saved}`, "/clear", `/save ${cleared}`, `/load ${saved}`, `/save ${saved}`],
      "--system",
      "Be long.",
    );
    const messages = [
      { role: "system", content: "Be brief." },
      { role: "user", content: FRANCE },
      { role: "assistant", content: stdout.trimEnd() },
    ];
    expect(stdout).toContain(PARIS);
    expect(JSON.parse(await readFile(saved, "utf8"))).toEqual(messages);
    expect(JSON.parse(await readFile(cleared, "utf8"))).toEqual(messages.slice(0, 1));
    expect(stderr).toContain(`Saved 3 messages in ${saved}.\n`);
    expect(stderr).toContain(`Loaded 3 messages from ${saved}.`);
    expect(stderr).toContain(`Saved 3 messages in ${saved}, in place of what was there.`);
    expect(exitCode).toBe(0);
    const again = await runPunie(["generate", "--model", TINY_MODEL, "--messages", saved, "--json"]);
    expect(JSON.parse(again.stdout).usage.promptTokens).toBeGreaterThan(40);
  });

  it("goes on after what it can't answer, and leaves with 1", async () => {
    const { stdout, stderr, exitCode } = await chat([`${FRANCE} `.repeat(100), FRANCE], "--context-length", "256");
    expect(stdout).toBe(`${PARIS}\n`);
    expect(stderr).toMatch(/context/);
    expect(exitCode).toBe(1);
  });

  it("lists its commands, tells what an answer took, and leaves at /exit", async () => {
    const { stdout, stderr, exitCode } = await chat(["/help", "/stats", FRANCE, "/stats", "/exit", "never"]);
    expect(stdout).toBe(`${PARIS}\n`);
    for (const command of ["help", "clear", "system", "save", "load", "stats", "exit"]) {
      expect(stderr).toContain(`  /${command}`);
    }
    expect(stderr).toMatch(/There is no answer yet\.\nPrompt: 27 tokens, .* answer: 7 tokens/);
    expect(exitCode).toBe(0);
  });

  it("says what is wrong with a command, and goes on", async () => {
    const odd = join(folder, "odd.json");
    await writeFile(odd, '{"role": "user"}');
    const { stdout, stderr, exitCode } = await chat([
      "/halp",
      "/save",
      `/save ${join(folder, "no", "such", "place")}`,
      `/load ${join(folder, "absent.json")}`,
      `/load ${odd}`,
      FRANCE,
    ]);
    expect(stderr).toContain("There is no command '/halp'. /help lists the commands.");
    expect(stderr).toContain("/save: expected the name of a file.");
    expect(stderr).toContain("can't be written");
    expect(stderr).toMatch(/\/load .*absent\.json: expected a text file/);
    expect(stderr).toContain("messages: ");
    expect({ stdout, exitCode }).toEqual({ stdout: `${PARIS}\n`, exitCode: 0 });
  });

  it("tells that a message is too long for the context, forgets it and goes on", async () => {
    const { stdout, stderr } = await chat(["word ".repeat(200), FRANCE], "--context-length", "100");
    expect(stderr).toContain("the context holds 100");
    expect(stdout).toBe(`${PARIS}\n`);
  });

  it("samples as generation_config.json says, unless a flag says otherwise", async () => {
    const { path, remove } = await copyTinyModel(["generation_config.json"]);
    try {
      const config = { eos_token_id: [1263, 1261], do_sample: true, temperature: 50 };
      await writeFile(join(path, "generation_config.json"), JSON.stringify(config));
      const wild = await runPunie(["chat", "--model", path, "--max-tokens", "20"], { input: `${FRANCE}\n` });
      const tame = await runPunie(["chat", "--model", path, "--temperature", "0"], { input: `${FRANCE}\n` });
      expect(wild.stdout).not.toBe(tame.stdout);
      expect(tame.stdout).toBe(`${PARIS}\n`);
    } finally {
      await remove();
    }
  });
});

describe("Ctrl-C in punie chat", () => {
  it("stops the answer and goes on; pressed twice, it leaves with 130", async () => {
    const child = startPunie(["chat", "--model", TINY_MODEL, ...ENDLESS]);
    const ended = finished(child);
    const answering = untilWritten(child, /\w{3}/);
    child.stdin.write("Tell me more.\n");
    await answering;
    child.kill("SIGINT");
    const told = untilWritten(child, /There is no command/);
    child.stdin.write("/halp\n");
    await told;
    const hint = untilWritten(child, /Ctrl-C again leaves/);
    child.kill("SIGINT");
    await hint;
    child.kill("SIGINT");
    const { stderr, exitCode } = await ended;
    expect(exitCode).toBe(130);
    expect(stderr).not.toMatch(/ {4}at |Error/);
  });

  it("as SIGTERM leaves with 143", async () => {
    const child = startPunie(["chat", "--model", TINY_MODEL, ...ENDLESS]);
    const ended = finished(child);
    const answering = untilWritten(child, /\w{3}/);
    child.stdin.write("Tell me more.\n");
    await answering;
    child.kill("SIGTERM");
    expect((await ended).exitCode).toBe(143);
  });
});
