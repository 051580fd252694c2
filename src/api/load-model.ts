/** Opens a model that is on this machine. */
import { type ChatTemplate, loadChatTemplate } from "../chat/template.js";
import type { LoadedEngine } from "../isolation/load-engine.js";
import { openEngine } from "../isolation/open-engine.js";
import { longestContext } from "../models/longest-context.js";
import { type ModelDirectory, openModelDirectory } from "../models/model-directory.js";
import { resolveModel } from "../models/resolve-model.js";
import { loadBinding } from "../native/binding.js";
import type { NativeBinding } from "../native/binding-types.js";
import { hasTokenizer, loadTokenizer } from "../tokenizer/load-tokenizer.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { abortable } from "./abortable.js";
import { chooseMemory, watchMemory } from "./choose-memory.js";
import { endTokenIds } from "./end-tokens.js";
import { type CheckedLoadOptions, checkLoadOptions, type LoadOptions } from "./load-options.js";
import { Model } from "./model.js";
import { invalidOption } from "./options.js";
import { RequestRouter } from "./request-router.js";

/**
 * Loads a model. It never downloads: `downloadModel` does.
 *
 * @param name `local` (the default model), `local:ORG/NAME`, `ORG/NAME`, or the path of a model directory or of a
 * GGUF file, which is imported into the models directory when it is first loaded.
 * Default: `PUNIE_MODEL`, else `local`.
 * @throws ModelNotDownloadedError when it is not there; PunieError `INVALID_OPTION`, `MODEL_NOT_FOUND`,
 * `MODEL_UNSUPPORTED`, `MODEL_CORRUPT`, `WEIGHTS_MISMATCH`, `OUT_OF_MEMORY`, `NATIVE_UNAVAILABLE` or `ENGINE_CRASHED`;
 * the signal's reason when it aborts.
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

  const path = resolved.source === "gguf" ? await importFile(resolved.path, binding, checked) : resolved.path;
  const router = new RequestRouter();
  const parts = await loadParts(path, binding, checked, router);
  const { directory, contextLength, device, native, tokenizer, template, endIds } = parts;
  const model = new Model({
    info: {
      path,
      name: resolved.name,
      modelType: directory.modelType,
      quantization: directory.quantization?.defaults ?? null,
      device,
      contextLength,
      hasTokenizer: tokenizer !== undefined,
    },
    generationDefaults: directory.generationDefaults,
    vocabSize: directory.config.vocabSize,
    hiddenSize: directory.config.hiddenSize,
    native,
    router,
    tokenizer,
    template,
    endIds,
    maxContextLength: longestContext(directory.config),
    loadMs: performance.now() - startedAt,
    onFreed: watchMemory(directory, native, checked.onMemoryPressure),
  });
  await setFirstAdapter(model, checked);
  onProgress?.({ phase: "ready" });
  return model;
}

/** A model whose adapter does not load is let go of. */
async function setFirstAdapter(model: Model, { adapter, signal }: CheckedLoadOptions): Promise<void> {
  if (adapter === undefined) return;
  try {
    await abortable(model.setAdapter(adapter), signal);
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/** @returns The model directory that stands for the file. */
async function importFile(file: string, binding: () => NativeBinding, options: CheckedLoadOptions): Promise<string> {
  const { modelsDir, signal, onProgress } = options;
  // Two dozen modules that no other load needs.
  const { importedGguf } = await import("../convert/gguf/imported-gguf.js");
  return await importedGguf(binding, file, {
    modelsDir,
    signal,
    onProgress: ({ writtenBytes, totalBytes }) => onProgress?.({ phase: "import", file, writtenBytes, totalBytes }),
  });
}

interface LoadedParts extends LoadedEngine {
  directory: ModelDirectory;
  contextLength: number;
  template: ChatTemplate;
  /** Undefined: the directory has none. */
  tokenizer: Tokenizer | undefined;
  endIds: number[];
}

/**
 * The vocabulary takes longest and needs nothing but the directory: it is loaded while all else is. When one part
 * fails, the others are let go of.
 */
async function loadParts(
  path: string,
  binding: () => NativeBinding,
  options: CheckedLoadOptions,
  router: RequestRouter,
): Promise<LoadedParts> {
  const { signal, onProgress } = options;
  onProgress?.({ phase: "open" });
  const stop = new AbortController();
  const tokenizerLoading = openTokenizer(path, stop.signal);
  const templateLoading = loadChatTemplate(path);
  let nativeLoading: Promise<LoadedEngine> | undefined;
  // What fails before it is waited for is told then.
  tokenizerLoading.catch(ignore);
  templateLoading.catch(ignore);
  try {
    const directory = await openModelDirectory(path);
    const { contextLength, cacheBytes } = await chooseMemory(directory, options);
    const template = await templateLoading;
    signal?.throwIfAborted();

    onProgress?.({ phase: "load" });
    const { device: asked, threads, prefillChunk, isolation, restart } = options;
    nativeLoading = openEngine(
      { path, spec: directory.spec, device: asked, threads, contextLength, prefillChunk, cacheBytes },
      { isolation, restart, binding, onEvents: router.deliver },
    );
    const loading = Promise.all([nativeLoading, tokenizerLoading]);
    const [{ device, native }, tokenizer] = await abortable(loading, signal);
    const endIds = tokenizer ? await endTokenIds(directory.eosTokenIds, template, tokenizer) : directory.eosTokenIds;
    return { directory, contextLength, template, device, native, tokenizer, endIds };
  } catch (error) {
    stop.abort(error);
    nativeLoading?.then(({ native }) => native.dispose(), ignore);
    tokenizerLoading.then((tokenizer) => tokenizer?.close(), ignore);
    throw error;
  }
}

/** A model without a tokenizer takes and gives token ids only. */
async function openTokenizer(path: string, stop: AbortSignal): Promise<Tokenizer | undefined> {
  return (await hasTokenizer(path)) ? loadTokenizer(path, { signal: stop }) : undefined;
}

/** The first failure is the one that is told. */
function ignore(): void {}
