/** A process or a worker thread that is ended while a model loads, reads a prompt, answers or is disposed of. */
import { once } from "node:events";
import { startProgram } from "./run-program.js";
import { finished, untilWritten } from "./run-punie.js";

export const PHASES = ["load", "prefill", "decode", "dispose"] as const;
export type Phase = (typeof PHASES)[number];

/** How it ends, and what the process that it happens in is then to say of itself. */
export const ENDS = {
  exit: { code: 7, signal: null, stderr: /^$/ },
  throw: { code: 1, signal: null, stderr: /from the caller/ },
  SIGTERM: { code: null, signal: "SIGTERM", stderr: /^$/ },
  SIGINT: { code: null, signal: "SIGINT", stderr: /^$/ },
  terminate: { code: 0, signal: null, stderr: /^$/ },
} as const;
export type End = keyof typeof ENDS;

/** Tells when the phase has begun, and stays in it for a while. */
const WORK = `
  const PROMPT = { prompt: Array(1500).fill(5), ignoreEos: true, maxTokens: 2 };
  const begin = {
    load: () => loadModel(MODEL, { onProgress: ({ phase }) => phase === "load" && begun() }),
    prefill: async () => {
      const model = await loadModel(MODEL);
      setImmediate(begun);
      await Promise.all([model.generate(PROMPT), model.generate(PROMPT)]);
    },
    decode: async () => {
      const model = await loadModel(MODEL);
      for await (const _ of model.stream(LONG)) begun();
    },
    dispose: async () => {
      const models = await Promise.all([loadModel(MODEL), loadModel(MODEL)]);
      await Promise.all(models.map((model) => model.generate({ ...LONG, maxTokens: 20 })));
      setImmediate(begun);
      for (const model of models) await model.dispose();
    },
  };
`;

const TELL_ONCE = `let told = false; const once = (tell) => () => { if (!told) { told = true; tell(); } };`;

function program(phase: Phase, end: End, afterMs: number): string {
  if (end === "terminate") {
    return `
      import { Worker } from "node:worker_threads";
      const source = \`import { parentPort } from "node:worker_threads";
        const { loadModel } = await import(\${JSON.stringify(PACKAGE)});
        const MODEL = \${JSON.stringify(MODEL)}, LONG = \${JSON.stringify(LONG)};
        ${TELL_ONCE}
        const begun = once(() => parentPort.postMessage("begun"));
        ${WORK.replaceAll("`", "\\`")}
        await begin.${phase}();\`;
      const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(source)));
      worker.once("message", () => setTimeout(() => worker.terminate(), ${afterMs}));
    `;
  }
  const ending = { exit: "process.exit(7)", throw: 'throw new Error("from the caller")' }[end as "exit" | "throw"];
  const ended = ending ? `setTimeout(() => { ${ending}; }, ${afterMs})` : 'console.log("begun")';
  return `${TELL_ONCE} const begun = once(() => { ${ended}; }); ${WORK}
    await begin.${phase}();
    setInterval(() => {}, 1000);`;
}

/** @returns How the process ended; a hang is a time-out of the test. */
export async function endDuring(phase: Phase, end: End, afterMs: number) {
  const child = startProgram(program(phase, end, afterMs));
  const ended = Promise.all([finished(child), once(child, "exit")]);
  if (end === "SIGTERM" || end === "SIGINT") {
    await untilWritten(child, /begun/);
    setTimeout(() => child.kill(end), afterMs);
  }
  const [{ stderr }, [code, signal]] = await ended;
  return { code: code as number | null, signal: signal as NodeJS.Signals | null, stderr };
}

/** What `endDuring` is to give. */
export function cleanEnd(end: End): { code: number | null; signal: string | null; stderr: RegExp } {
  return ENDS[end];
}
