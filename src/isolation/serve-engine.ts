/** The engine's end of an isolated model: does what messages say, and sends what comes of it. */
import { PunieError } from "../errors.js";
import { fromNative, loadBinding } from "../native/binding.js";
import type { NativeAdapterSpec, NativeEvent, NativeModel } from "../native/binding-types.js";
import { type EngineSource, loadEngine } from "./load-engine.js";
import { type FromEngine, NO_MEMORY, type ToEngine } from "./messages.js";

export interface EnginePort {
  post(message: FromEngine): void;
  onMessage(listener: (message: ToEngine) => void): void;
  /** The owner needs nothing more from here. */
  close(): void;
}

export function serveEngine(port: EnginePort): void {
  let native: NativeModel | undefined;
  let disposed = false;
  const send = (events: NativeEvent[]) => port.post({ type: "events", events, memory: native?.memory() ?? NO_MEMORY });

  async function load(source: EngineSource): Promise<void> {
    try {
      const loaded = await loadEngine(loadBinding(), source, send);
      native = loaded.native;
      if (disposed) return dispose();
      port.post({ type: "loaded", device: loaded.device, memory: native.memory() });
    } catch (error) {
      const { code, message } = error instanceof PunieError ? error : fromNative(error);
      port.post({ type: "load-failed", code, message });
      port.close();
    }
  }

  function start(request: Extract<ToEngine, { type: "start" }>["request"]): void {
    try {
      native?.start(request);
    } catch (error) {
      const { code, message } = fromNative(error);
      send([{ type: "error", request: request.id, code, message }]);
    }
  }

  async function loadAdapter(spec: NativeAdapterSpec): Promise<void> {
    try {
      await native?.loadAdapter(spec);
      port.post({ type: "adapter-loaded", id: spec.id });
    } catch (error) {
      const { code, message } = fromNative(error);
      port.post({ type: "adapter-failed", id: spec.id, code, message });
    }
  }

  async function dispose(): Promise<void> {
    disposed = true;
    await native?.dispose();
    port.close();
  }

  port.onMessage((message) => {
    switch (message.type) {
      case "load":
        void load(message.source);
        return;
      case "start":
        start(message.request);
        return;
      case "cancel":
        native?.cancel(message.id);
        return;
      case "load-adapter":
        void loadAdapter(message.spec);
        return;
      case "unload-adapter":
        native?.unloadAdapter(message.id);
        return;
      case "release-caches":
        native?.releaseCaches();
        return;
      case "dispose":
        void dispose();
    }
  });
}
