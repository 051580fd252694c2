/** The options of `loadModel`, checked once. */
import { availableParallelism } from "node:os";
import { ISOLATIONS, type Isolation } from "../isolation/open-engine.js";
import type { MemoryPressure } from "../memory/pressure.js";
import type { NativeDevice } from "../native/binding-types.js";
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkNames,
  checkOneOf,
  checkSignal,
  checkText,
  invalidOption,
} from "./options.js";

/**
 * What loading is doing. `resolve` finds the directory, `import` makes one of a GGUF file that is loaded for the first
 * time, `open` reads its headers, `load` maps weights and reads the vocabulary.
 */
export type LoadProgress =
  | { phase: "resolve" | "open" | "load" | "ready" }
  /** Told again and again. */
  | { phase: "import"; file: string; writtenBytes: number; totalBytes: number };

export interface LoadOptions {
  /** Where models lie. Default: `PUNIE_MODELS_DIR`, else `~/.cache/punie/models`. */
  modelsDir?: string | undefined;
  /**
   * Most tokens, prompt and answer together, of one request. Default: what the model was trained for, but no more than
   * 32,768: a longer cache takes gigabytes, so it is asked for by name. Memory is taken as a text grows, not at once;
   * what would not fit when it has grown is refused with `OUT_OF_MEMORY`. `auto`: as many as fit, up to what the model
   * was trained for.
   */
  contextLength?: number | "auto" | undefined;
  /** `auto` (default) takes the best that this machine has. */
  device?: "auto" | NativeDevice | undefined;
  /** Threads of the CPU kernels. Default: one per physical core that this process may use. */
  threads?: number | undefined;
  /** Directory of a LoRA or DoRA adapter that requests use: see `Model.setAdapter`. Default: none. */
  adapter?: string | undefined;
  /** Prompt tokens per forward pass, after which an abort is noticed. Default 512. */
  prefillChunk?: number | undefined;
  /**
   * Most bytes that the model may take in all: weights, KV caches, work space. Default: what is available when it is
   * loaded, of the machine's memory or the container's. More than that is believed.
   */
  memoryLimitBytes?: number | undefined;
  /** Most bytes of KV caches, the kept one's too: requests wait for room. Default: what the limit leaves to them. */
  cacheBytes?: number | undefined;
  /**
   * Told when this process's memory runs short, or shorter. What the model keeps for requests to come has been freed
   * by then, and is freed again while it lasts.
   */
  onMemoryPressure?: ((pressure: MemoryPressure) => void) | undefined;
  /**
   * Where the engine runs. `in-process` (default): in threads of its own beside the caller's; fastest, and a crash of
   * native code ends the process. `process`: in a child process, whose crash is an error. `worker`: in a worker thread,
   * where it shares the caller's fate but not its event loop.
   */
  isolation?: Isolation | undefined;
  /**
   * With an isolated engine: after a crash, requests go on in a new one from the tokens so far, to the same answers.
   * Default false: they fail with `ENGINE_CRASHED`, and so does every later one.
   */
  restart?: boolean | undefined;
  /** Stops loading; the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Told of each phase as it begins, and of how far an import is. */
  onProgress?: ((progress: LoadProgress) => void) | undefined;
}

const LOAD_OPTIONS = [
  "modelsDir",
  "contextLength",
  "device",
  "threads",
  "adapter",
  "prefillChunk",
  "memoryLimitBytes",
  "cacheBytes",
  "onMemoryPressure",
  "isolation",
  "restart",
  "signal",
  "onProgress",
] as const;

const DEVICES = ["auto", "cpu", "metal", "cuda"] as const;
/** Enough to fill the kernels, few enough that an abort is noticed within a second or so on a small machine. */
const DEFAULT_PREFILL_CHUNK = 512;
const MAX_PREFILL_CHUNK = 65_536;
/** More threads than this are surely a mistake, and would each take a stack. */
const MAX_THREADS = Math.max(256, availableParallelism());
/** See `LoadOptions.contextLength`. */
const DEFAULT_CONTEXT_LIMIT = 32_768;

export interface CheckedLoadOptions {
  modelsDir: string | undefined;
  contextLength: number | "auto" | undefined;
  device: "auto" | NativeDevice;
  /** 0: not given. */
  threads: number;
  adapter: string | undefined;
  prefillChunk: number;
  memoryLimitBytes: number | undefined;
  cacheBytes: number | undefined;
  onMemoryPressure: ((pressure: MemoryPressure) => void) | undefined;
  isolation: Isolation;
  restart: boolean;
  signal: AbortSignal | undefined;
  onProgress: ((progress: LoadProgress) => void) | undefined;
}

/** @throws PunieError `INVALID_OPTION`, also for a name that is not known: nothing is silently ignored. */
export function checkLoadOptions(value: LoadOptions | undefined): CheckedLoadOptions {
  const options = checkNames("loadModel options", value, LOAD_OPTIONS) as LoadOptions;
  const isolation = checkOneOf("isolation", options.isolation, "in-process", ISOLATIONS);
  const restart = checkBoolean("restart", options.restart, false);
  if (restart && isolation === "in-process") {
    throw invalidOption("restart", "false without an isolated engine (isolation: 'process' or 'worker')", restart);
  }
  return {
    modelsDir: checkText("modelsDir", options.modelsDir),
    contextLength: checkContextLength(options.contextLength),
    device: checkOneOf("device", options.device, "auto", DEVICES),
    threads:
      options.threads === undefined ? 0 : checkInteger("threads", options.threads, 0, { min: 1, max: MAX_THREADS }),
    adapter: checkText("adapter", options.adapter),
    prefillChunk: checkInteger("prefillChunk", options.prefillChunk, DEFAULT_PREFILL_CHUNK, {
      min: 1,
      max: MAX_PREFILL_CHUNK,
    }),
    memoryLimitBytes: checkBytes("memoryLimitBytes", options.memoryLimitBytes),
    cacheBytes: checkBytes("cacheBytes", options.cacheBytes),
    onMemoryPressure: checkFunction("onMemoryPressure", options.onMemoryPressure),
    isolation,
    restart,
    signal: checkSignal("signal", options.signal),
    onProgress: checkFunction("onProgress", options.onProgress),
  };
}

function checkContextLength(value: unknown): number | "auto" | undefined {
  if (value === undefined || value === "auto") return value;
  if (typeof value === "string") throw invalidOption("contextLength", 'an integer of at least 1, or "auto"', value);
  return checkInteger("contextLength", value, 0, { min: 1 });
}

function checkBytes(name: string, value: unknown): number | undefined {
  return value === undefined ? undefined : checkInteger(name, value, 0, { min: 1 });
}

/** The context length to load with, for a model trained for `modelMax` positions. */
export function chooseContextLength(asked: number | "auto" | undefined, modelMax: number): number | "auto" {
  if (asked === "auto") return asked;
  if (asked === undefined) return Math.min(modelMax, DEFAULT_CONTEXT_LIMIT);
  if (asked > modelMax) {
    throw invalidOption("contextLength", `at most ${modelMax}, the most that the model was made for`, asked);
  }
  return asked;
}
