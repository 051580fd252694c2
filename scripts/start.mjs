/**
 * `npm start [-- "PROMPT"]`: sets everything up, brings the demo model, and streams an answer from this process.
 * The answer alone goes to stdout.
 */
import path from "node:path";
import { demoModel } from "./demo/demo-model.mjs";
import { runChild } from "./demo/run-child.mjs";
import { streamAnswer } from "./demo/stream-answer.mjs";
import { paths } from "./lib/paths.mjs";

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 };

const say = (line) => process.stderr.write(`${line}\n`);
const interruption = new AbortController();
let interruptedBy;

for (const signal of Object.keys(EXIT_CODES)) {
  process.on(signal, () => {
    // The first asks politely, so that nothing half done is left; the second doesn't wait.
    if (interruptedBy) process.exit(EXIT_CODES[signal]);
    interruptedBy = signal;
    interruption.abort();
  });
}

const USAGE = `Usage: npm start [-- "PROMPT"]
Sets punie up, brings a small demo model and streams its answer to PROMPT, or to one of its own.
A prompt that begins with a dash: npm start -- -- "-PROMPT"`;

async function main(args) {
  if (args[0] === "--") args.shift();
  else if (args[0]?.startsWith("-")) {
    say(USAGE);
    return args[0] === "--help" || args[0] === "-h" ? 0 : 2;
  }
  const { signal } = interruption;
  const setUp = await runChild(process.execPath, [path.join(paths.root, "scripts", "setup.mjs")], signal);
  if (setUp !== 0) return setUp ?? 1;
  const demo = await demoModel({ signal, say });
  const prompt = args.join(" ").trim() || demo.prompt;
  say(`${demo.name}, in this process:\n> ${prompt}\n`);
  await streamAnswer({ path: demo.path, prompt, signal, say });
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (interruptedBy) {
    say("");
    process.exitCode = EXIT_CODES[interruptedBy];
  } else {
    // Errors with a code explain themselves; anything else is a bug, and its stack helps.
    say(`\n${error.code && error.message ? error.message : (error.stack ?? error)}`);
    process.exitCode = 1;
  }
}
