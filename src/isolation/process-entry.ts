/** What runs in the process of an isolated engine. */
import { serveEngine } from "./serve-engine.js";

// Ctrl-C and a service's stop reach the whole group of processes: the one that owns the model decides what becomes of it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);

// The channel closes when the owner has no more use for the engine, and when it dies.
process.on("disconnect", () => process.exit());

serveEngine({
  post: (message) => process.send?.(message, undefined, undefined, () => undefined),
  onMessage: (listener) => process.on("message", listener as (message: unknown) => void),
  close: () => process.disconnect(),
});
