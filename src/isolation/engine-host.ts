/** Where an isolated engine lives, as its owner sees it. */
import type { FromEngine, ToEngine } from "./messages.js";

export interface EngineHost {
  /** What is sent to one that has ended is lost. */
  post(message: ToEngine): void;
  /** Holds the event loop open, as it does at first, or no longer. */
  ref(): void;
  unref(): void;
  /** Ends it at once; `ended` is then called. */
  kill(): void;
}

export interface HostListener {
  message(message: FromEngine): void;
  /** It is gone, asked to or not, and everything that it sent has been told. @param how Such as `was ended by SIGSEGV`. */
  ended(how: string): void;
}

export type OpenHost = (listener: HostListener) => EngineHost;

/** Of a compiled file beside this one. Under vitest this module runs as TypeScript, which Node 20 can't start. */
export function entryUrl(file: string): URL {
  const base = import.meta.url.endsWith(".ts") ? "../../dist/isolation/" : "./";
  return new URL(base + file, import.meta.url);
}
