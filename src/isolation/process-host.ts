/** An engine in a process of its own, which ends with this one. */
import { fork } from "node:child_process";
import type { Socket } from "node:net";
import { type EngineHost, entryFile, type HostListener } from "./engine-host.js";
import type { FromEngine, ToEngine } from "./messages.js";

/** Of what it writes to stderr, the end is kept: a crash's reason may stand there. */
const KEPT_CHARACTERS = 1000;

export function openProcessHost(listener: HostListener): EngineHost {
  const child = fork(entryFile("process-entry.js"), [], {
    serialization: "advanced",
    // This process's loaders and inspectors have no business there.
    execArgv: [],
    // Nothing that it prints may get into this process's output.
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  const stderr = child.stderr as Socket;
  let lastWords = "";
  stderr.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-KEPT_CHARACTERS);
  });

  // Its last messages may come after its exit is known; what failed to start has neither.
  let how: string | undefined;
  let connected = true;
  let told = false;
  const gone = (ending?: string) => {
    how ??= ending;
    if (how === undefined || connected || told) return;
    told = true;
    const words = lastWords.trim();
    listener.ended(words === "" ? how : `${how}; it wrote: ${words}`);
  };
  child.on("message", (message) => listener.message(message as FromEngine));
  child.on("exit", (code, signal) => gone(signal === null ? `exited with code ${code}` : `was ended by ${signal}`));
  child.on("disconnect", () => {
    connected = false;
    gone();
  });
  child.on("error", (error) => {
    if (child.pid !== undefined) return;
    connected = false;
    gone(`could not be started (${error.message})`);
  });

  return {
    post(message: ToEngine) {
      // An error means that it is ending, which is told by `ended`.
      if (child.connected) child.send(message, () => undefined);
    },
    ref() {
      child.ref();
      child.channel?.ref();
      stderr.ref();
    },
    unref() {
      child.unref();
      child.channel?.unref();
      stderr.unref();
    },
    kill: () => void child.kill("SIGKILL"),
  };
}
