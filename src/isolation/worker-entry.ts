/** What runs in the worker thread of an isolated engine. */
import { parentPort } from "node:worker_threads";
import { serveEngine } from "./serve-engine.js";

const port = parentPort;
if (!port) throw new Error("worker-entry runs in a worker thread only");

serveEngine({
  post: (message) => port.postMessage(message),
  onMessage: (listener) => port.on("message", listener),
  close: () => port.close(),
});
