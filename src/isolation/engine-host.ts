/** Where an isolated engine lives, as its owner sees it. */
import { packageFile } from "../package-root.js";
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

/** A compiled file of this folder, which the system can open: in a bundle, in Electron's archive and under vitest too. */
export function entryFile(name: string): string {
  return packageFile(`dist/isolation/${name}`);
}
