/** A model's engine, where the caller wants it. */
import { loadBinding } from "../native/binding.js";
import type { NativeBinding, NativeEvent } from "../native/binding-types.js";
import { type EngineSource, type LoadedEngine, loadEngine } from "./load-engine.js";
import { openProcessHost } from "./process-host.js";
import { loadRemoteEngine } from "./remote-engine.js";
import { openWorkerHost } from "./worker-host.js";

export const ISOLATIONS = ["in-process", "worker", "process"] as const;
export type Isolation = (typeof ISOLATIONS)[number];

export interface EngineOptions {
  isolation: Isolation;
  /** After a crash, go on in a new engine. Of an isolated one only. */
  restart: boolean;
  /** The addon to use in this process. */
  binding?: () => NativeBinding;
  onEvents: (events: NativeEvent[]) => void;
}

/** @throws PunieError see `loadEngine`; `ENGINE_CRASHED` when an isolated one ends while it loads. */
export async function openEngine(source: EngineSource, options: EngineOptions): Promise<LoadedEngine> {
  const { isolation, restart, binding = loadBinding, onEvents } = options;
  if (isolation === "in-process") return loadEngine(binding(), source, onEvents);
  const openHost = isolation === "process" ? openProcessHost : openWorkerHost;
  return loadRemoteEngine(openHost, source, { restart, hostName: isolation, onEvents });
}
