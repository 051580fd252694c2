/** Whether a model would run here, from its headers alone, and what it would take. */
import { stat } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { chooseMemory, requiredMemory } from "../api/choose-memory.js";
import { type CheckedLoadOptions, checkLoadOptions, chooseContextLength } from "../api/load-options.js";
import { loadChatTemplate } from "../chat/template.js";
import { type ErrorCode, PunieError } from "../errors.js";
import { readJsonFile } from "../models/json-file.js";
import { longestContext } from "../models/longest-context.js";
import { type ModelDirectory, openModelDirectory } from "../models/model-directory.js";
import { bytesReadPerToken } from "../models/model-size.js";
import { fromNative, loadBinding } from "../native/binding.js";

export interface CheckOptions {
  contextLength?: number | "auto" | undefined;
  threads?: number | undefined;
  /** Whether the model has a tokenizer.json. Default: whether it is in the directory. */
  hasTokenizer?: boolean | undefined;
}

export interface CheckProblem {
  part: "model" | "tokenizer" | "template";
  code: ErrorCode;
  message: string;
}

export interface ModelCheck {
  /** No problem was found with what generating text needs. */
  runs: boolean;
  problems: CheckProblem[];
  /** Null when config.json or the headers can't be read. */
  model: {
    modelType: string;
    quantization: { mode: string; bits: number; groupSize: number } | null;
    weightBytes: number;
    contextLength: number;
    cacheBytes: number;
    /** Weights, the cache and work space: what loading it asks for. */
    memoryBytes: number;
    machineBytes: number;
    memoryBandwidthBytesPerSecond: number;
    /** What the bandwidth allows at most, and what is to be expected. */
    tokensPerSecond: { most: number; expected: number };
  } | null;
  tokenizerClass: string | null;
  hasTokenizer: boolean;
  hasTemplate: boolean;
}

/** Of the bandwidth that decoding uses: 0.53 to 0.84 on the machines of docs/performance.md. */
const USUAL_SHARE = 0.7;
const MAX_TOKENIZER_CONFIG_BYTES = 16 * 1024 * 1024;

/** @param directory A model directory; its weights need be no more than headers. Nothing but its small tensors is read. */
export async function checkModel(directory: string, options: CheckOptions = {}): Promise<ModelCheck> {
  const problems: CheckProblem[] = [];
  const attempt = async <T>(part: CheckProblem["part"], work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PunieError) || error.code === "NATIVE_UNAVAILABLE") throw error;
      problems.push({ part, code: error.code, message: error.message.replaceAll(`${directory}/`, "") });
      return undefined;
    }
  };
  const opened = await attempt("model", () => openModelDirectory(directory));
  if (opened) await attempt("model", () => buildGraph(opened));
  const loading = checkLoadOptions({ contextLength: options.contextLength });
  const fit = opened && (await attempt("model", () => chooseMemory(opened, loading)));
  const hasTokenizer = options.hasTokenizer ?? (await isFile(join(directory, "tokenizer.json")));
  if (!hasTokenizer) {
    const message = "There is no tokenizer.json: the model would take and give token ids only.";
    problems.push({ part: "tokenizer", code: "MODEL_UNSUPPORTED", message });
  }
  return {
    runs: !problems.some(({ part }) => part === "model"),
    model: opened ? await describe(opened, loading, fit?.contextLength ?? 1, options.threads) : null,
    tokenizerClass: (await attempt("tokenizer", () => tokenizerClass(directory))) ?? null,
    hasTokenizer,
    hasTemplate: (await attempt("template", () => tryTemplate(directory))) ?? false,
    problems,
  };
}

/** The loader itself checks every tensor's name, shape and type, and takes no other notice of their bytes. */
async function buildGraph({ spec }: ModelDirectory): Promise<void> {
  try {
    const options = { device: "cpu", threads: 1, contextLength: 1, prefillChunk: 1, onEvents: () => {} } as const;
    const model = await loadBinding().loadModel(spec, options);
    await model.dispose();
  } catch (error) {
    throw fromNative(error);
  }
}

/** @param fittingContext What loading with "auto" would have here; one token where nothing fits. */
async function describe(
  directory: ModelDirectory,
  options: CheckedLoadOptions,
  fittingContext: number,
  threads: number | undefined,
) {
  const { modelType, config, spec, quantization, weightBytes } = directory;
  const binding = loadBinding();
  const chosen = chooseContextLength(options.contextLength, longestContext(config));
  const contextLength = chosen === "auto" ? fittingContext : chosen;
  const { totalBytes, cacheBytes } = requiredMemory(directory, options, contextLength);
  const bandwidth = await binding.measureMemoryBandwidth(threads ?? binding.info().cores);
  const most = bandwidth / bytesReadPerToken(config, spec.tensors);
  return {
    modelType,
    quantization: quantization?.defaults ?? null,
    weightBytes,
    contextLength,
    cacheBytes,
    memoryBytes: totalBytes,
    machineBytes: machineBytes(),
    memoryBandwidthBytesPerSecond: bandwidth,
    tokensPerSecond: { most, expected: most * USUAL_SHARE },
  };
}

/** A container may have less than its machine. */
function machineBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : totalmem();
}

async function tokenizerClass(directory: string): Promise<string | undefined> {
  const json = await readJsonFile(join(directory, "tokenizer_config.json"), MAX_TOKENIZER_CONFIG_BYTES);
  const name = (json as { tokenizer_class?: unknown } | null | undefined)?.tokenizer_class;
  return typeof name === "string" ? name.slice(0, 100) : undefined;
}

/** @returns Whether there is a template; one that can't render a greeting is a problem. */
async function tryTemplate(directory: string): Promise<boolean> {
  const template = await loadChatTemplate(directory);
  try {
    if (!template.present) return false;
    await template.render([{ role: "user", content: "Hello." }]);
    return true;
  } finally {
    await template.close();
  }
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
