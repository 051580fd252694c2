/** Says whether a model fits, and with how long a context: before anything of it is loaded. */
import { PunieError } from "../errors.js";
import { formatMemory } from "../format-bytes.js";
import type { NativeDevice, NativeModelSpec } from "../native/binding-types.js";
import type { AvailableMemory } from "./available-memory.js";
import { cacheBytes, type MemoryPlan, planMemory, positionsIn, totalBytes } from "./memory-plan.js";

export interface FitRequest {
  /** The model's directory, for messages. */
  path: string;
  spec: NativeModelSpec;
  device: NativeDevice;
  prefillChunk: number;
  /** `auto`: as long as fits, up to `longest`. */
  contextLength: number | "auto";
  /** What the model can take. */
  longest: number;
  /** Most bytes that the model may take in all. Undefined: what is available. */
  memoryLimitBytes: number | undefined;
  /** Most bytes of KV caches. */
  cacheBytes: number | undefined;
  /** Undefined where it is not known, as for a GPU's own memory. */
  available: AvailableMemory | undefined;
  /** Of `available`, what other models are reading all the time. */
  takenBytes: number;
}

export interface Fit {
  contextLength: number;
  /** Room for KV caches, all together. */
  cacheBytes: number;
}

/** A context shorter than this is of no use: `auto` doesn't go below. */
const LEAST_AUTO_CONTEXT = 512;

/** @throws PunieError `OUT_OF_MEMORY`, with the arithmetic. */
export function fitMemory(request: FitRequest): Fit {
  const { spec, device, prefillChunk, longest, available, takenBytes } = request;
  const wanted = request.contextLength === "auto" ? longest : request.contextLength;
  const plan = planMemory(spec, { device, prefillChunk, contextLength: wanted });
  const limit =
    request.memoryLimitBytes ??
    (available ? Math.max(0, available.availableBytes - takenBytes) : Number.POSITIVE_INFINITY);
  const left = limit - plan.weightBytes - plan.workBytes;
  const room = Math.min(left, request.cacheBytes ?? Number.POSITIVE_INFINITY);
  const fitting = Math.min(longest, positionsIn(plan, room));

  const least = request.contextLength === "auto" ? Math.min(LEAST_AUTO_CONTEXT, longest) : wanted;
  if (fitting < least) throw tooLarge(request, plan, { limit, left, wanted: least, fitting });
  return {
    contextLength: Math.min(wanted, fitting),
    cacheBytes: Math.min(Math.floor(room), Number.MAX_SAFE_INTEGER),
  };
}

interface Arithmetic {
  limit: number;
  left: number;
  wanted: number;
  fitting: number;
}

function tooLarge(request: FitRequest, plan: MemoryPlan, { limit, left, wanted, fitting }: Arithmetic): PunieError {
  const caches = cacheBytes(plan, wanted);
  const needed = totalBytes(plan, wanted);
  const parts =
    `${formatMemory(plan.weightBytes)} of weights, ${formatMemory(caches)} of keys and values for a context of ` +
    `${wanted} tokens (${formatMemory(plan.cacheBytesPerToken)} each), ${formatMemory(plan.workBytes)} of work space`;
  const message = caches > left ? `it takes ${formatMemory(needed)}, and ${whatIsThere(request, limit)}` : "";
  const cacheLimit = `its KV caches may take ${formatMemory(request.cacheBytes ?? 0)} (cacheBytes)`;
  return new PunieError(
    "OUT_OF_MEMORY",
    `${request.path}: the model does not fit: ${message || cacheLimit}. It needs ${parts}. ${advice(fitting)}`,
  );
}

function whatIsThere({ memoryLimitBytes, available, takenBytes }: FitRequest, limit: number): string {
  if (memoryLimitBytes !== undefined) return `its limit is ${formatMemory(limit)} (memoryLimitBytes)`;
  const of = available?.of === "container" ? "the container's" : "the machine's";
  const others = takenBytes > 0 ? `, ${formatMemory(takenBytes)} of other models' weights not counted` : "";
  return `${formatMemory(limit)} of ${of} ${formatMemory(available?.totalBytes ?? 0)} are available${others}`;
}

function advice(fitting: number): string {
  return fitting >= LEAST_AUTO_CONTEXT
    ? `A context of ${fitting} tokens fits: load it with that contextLength (--context-length), or with "auto".`
    : "Take a smaller model, or make room: close other programs, or raise the limit.";
}
