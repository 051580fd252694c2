/** Opens a model that is on this machine. */
import { type ChatTemplate, loadChatTemplate } from "../chat/template.js";
import { type ModelDirectory, openModelDirectory } from "../models/model-directory.js";
import { resolveModel } from "../models/resolve-model.js";
import { fromNative, loadBinding } from "../native/binding.js";
import type { NativeBinding, NativeDevice, NativeModel, NativeModelSpec } from "../native/binding-types.js";
import { hasTokenizer, loadTokenizer } from "../tokenizer/load-tokenizer.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { abortable } from "./abortable.js";
import { endTokenIds } from "./end-tokens.js";
import { type CheckedLoadOptions, checkLoadOptions, chooseContextLength, type LoadOptions } from "./load-options.js";
import { Model } from "./model.js";
import { invalidOption } from "./options.js";
import { RequestRouter } from "./request-router.js";

/**
 * Loads a model. It never downloads: `downloadModel` does.
 *
 * @param name `local` (the default model), `local:ORG/NAME`, `ORG/NAME`, or the path of a model directory.
 * Default: `PUNIE_MODEL`, else `local`.
 * @throws ModelNotDownloadedError when it is not there; PunieError `INVALID_OPTION`, `MODEL_NOT_FOUND`,
 * `MODEL_UNSUPPORTED`, `MODEL_CORRUPT`, `WEIGHTS_MISMATCH`, `OUT_OF_MEMORY` or `NATIVE_UNAVAILABLE`; the signal's
 * reason when it aborts.
 */
export function loadModel(name?: string, options?: LoadOptions): Promise<Model> {
  return loadModelWith(loadBinding, name, options);
}

/** `loadModel` on a given addon, which is asked for only once the model has been found. */
export async function loadModelWith(
  binding: () => NativeBinding,
  name: string | undefined,
  options: LoadOptions | undefined,
): Promise<Model> {
  const checked = checkLoadOptions(options);
  if (name !== undefined && typeof name !== "string") throw invalidOption("name", "a model's name or path", name);
  const startedAt = performance.now();
  const { signal, onProgress } = checked;
  signal?.throwIfAborted();

  onProgress?.({ phase: "resolve" });
  const resolved = await resolveModel(name, { modelsDir: checked.modelsDir });
  signal?.throwIfAborted();

  onProgress?.({ phase: "open" });
  const directory = await openModelDirectory(resolved.path);
  const contextLength = chooseContextLength(checked.contextLength, directory.config.maxPositionEmbeddings);
  const template = await loadChatTemplate(resolved.path);
  signal?.throwIfAborted();

  onProgress?.({ phase: "load" });
  const router = new RequestRouter();
  const { device, native, tokenizer, endIds } = await loadBoth(
    async () => startNative(binding(), resolved.path, directory.spec, checked, contextLength, router),
    (stop) => loadText(directory, template, stop),
    signal,
  );
  onProgress?.({ phase: "ready" });
  return new Model({
    info: {
      path: resolved.path,
      name: resolved.name,
      modelType: directory.modelType,
      quantization: directory.quantization?.defaults ?? null,
      device,
      contextLength,
      hasTokenizer: tokenizer !== undefined,
    },
    generationDefaults: directory.generationDefaults,
    vocabSize: directory.config.vocabSize,
    native,
    router,
    tokenizer,
    template,
    endIds,
    maxContextLength: directory.config.maxPositionEmbeddings,
    loadMs: performance.now() - startedAt,
  });
}

interface LoadedNative {
  device: NativeDevice;
  native: NativeModel;
}

interface LoadedText {
  /** Undefined: the directory has none. */
  tokenizer: Tokenizer | undefined;
  endIds: number[];
}

/** Vocabulary and weights at the same time. When one of them fails, the other is let go of. */
async function loadBoth(
  startNativeModel: () => Promise<LoadedNative>,
  startText: (stop: AbortSignal) => Promise<LoadedText>,
  signal: AbortSignal | undefined,
): Promise<LoadedNative & LoadedText> {
  const stop = new AbortController();
  const nativeLoading = startNativeModel();
  const textLoading = startText(stop.signal);
  try {
    const [native, text] = await abortable(Promise.all([nativeLoading, textLoading]), signal);
    return { ...native, ...text };
  } catch (error) {
    stop.abort(error);
    nativeLoading.then(({ native }) => native.dispose(), ignore);
    textLoading.then(({ tokenizer }) => tokenizer?.close(), ignore);
    throw error;
  }
}

async function loadText(directory: ModelDirectory, template: ChatTemplate, stop: AbortSignal): Promise<LoadedText> {
  if (!(await hasTokenizer(directory.path))) return { tokenizer: undefined, endIds: directory.eosTokenIds };
  const tokenizer = await loadTokenizer(directory.path, { signal: stop });
  try {
    return { tokenizer, endIds: await endTokenIds(directory.eosTokenIds, template, tokenizer) };
  } catch (error) {
    await tokenizer.close();
    throw error;
  }
}

/** The first failure is the one that is told. */
function ignore(): void {}

async function startNative(
  binding: NativeBinding,
  path: string,
  spec: NativeModelSpec,
  options: CheckedLoadOptions,
  contextLength: number,
  router: RequestRouter,
): Promise<LoadedNative> {
  const info = binding.info();
  const device = options.device === "auto" ? (info.devices[0] ?? "cpu") : options.device;
  if (!info.devices.includes(device)) {
    throw invalidOption("device", `one that this machine and build can use: ${info.devices.join(", ")}`, device);
  }
  const { prefillChunk } = options;
  const threads = options.threads || info.cores;
  try {
    const native = await binding.loadModel(spec, {
      device,
      threads,
      contextLength,
      prefillChunk,
      onEvents: router.deliver,
    });
    return { device, native };
  } catch (error) {
    throw fromNative(error, path);
  }
}
