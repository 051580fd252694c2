// The utility process: one model, one conversation.
import { loadModel } from "punie";

const port = process.parentPort;
const messages = [];
let stop;

const loading = loadModel(process.env.PUNIE_MODEL);
loading.then(
  (model) => port.postMessage({ type: "ready", name: model.info.name }),
  (error) => port.postMessage({ type: "error", code: error.code, message: error.message }),
);

port.on("message", async ({ data }) => {
  if (data.type === "stop") return stop?.abort();
  if (data.type !== "ask" || stop) return;
  stop = new AbortController();
  messages.push({ role: "user", content: data.question });
  let answer = "";
  try {
    const model = await loading;
    for await (const part of model.stream({ messages, signal: stop.signal })) {
      if (part.type !== "text-delta") continue;
      answer += part.text;
      port.postMessage({ type: "text", text: part.text });
    }
    port.postMessage({ type: "end" });
  } catch (error) {
    const stopped = stop.signal.aborted;
    port.postMessage(stopped ? { type: "end" } : { type: "error", code: error.code, message: error.message });
  } finally {
    messages.push({ role: "assistant", content: answer });
    stop = undefined;
  }
});
