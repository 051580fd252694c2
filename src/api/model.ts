/** A loaded model: text, tokens and answers, until it is disposed. */

import type { ChatMessageInput } from "../chat/messages.js";
import type { ChatTemplate, ChatTemplateOptions } from "../chat/template.js";
import { PunieError } from "../errors.js";
import { readPooling } from "../models/embedding-model.js";
import type { GenerationDefaults } from "../models/generation-config.js";
import type { NativeMemory, NativeModel } from "../native/binding-types.js";
import type { Tokenizer } from "../tokenizer/tokenizer.js";
import { abortable } from "./abortable.js";
import { Adapters } from "./adapters.js";
import { checkEmbedOptions, computeEmbeddings, type EmbedOptions, withEndToken, withInstruction } from "./embed.js";
import { type AnswerText, Generation } from "./generation.js";
import { freeWithOwner, ModelResources } from "./model-resources.js";
import { checkText, invalidOption } from "./options.js";
import type { GenerateResult, LoadedModelInfo, StreamPart } from "./parts.js";
import {
  checkPerplexityOptions,
  computePerplexity,
  type PerplexityOptions,
  type PerplexityResult,
} from "./perplexity.js";
import { type RunPromptTask, runPromptTask } from "./prompt-task.js";
import { encodeText, readPrompt } from "./read-prompt.js";
import { type CheckedRequest, checkIds, checkRequest, type GenerateRequest } from "./request.js";
import type { RequestRouter } from "./request-router.js";
import {
  checkRerankOptions,
  computeRanking,
  type RankedDocument,
  type RerankOptions,
  rerankPrompts,
} from "./rerank.js";
import { joinParts } from "./result.js";

/** What `loadModel` has put together. */
export interface ModelParts {
  info: LoadedModelInfo;
  generationDefaults: GenerationDefaults;
  vocabSize: number;
  hiddenSize: number;
  native: NativeModel;
  router: RequestRouter;
  /** Undefined: the directory has none, and the model takes and gives ids only. */
  tokenizer: Tokenizer | undefined;
  template: ChatTemplate;
  endIds: number[];
  /** Positions the model was trained for. */
  maxContextLength: number;
  loadMs: number;
  /** Called once, when everything has been freed. */
  onFreed: () => void;
}

export type ApplyChatTemplateOptions = Pick<ChatTemplateOptions, "tools" | "addGenerationPrompt" | "variables">;

/**
 * A model in memory. Up to eight requests run at once, sharing each forward pass; any number more wait, in the order
 * they came. What a request gives never depends on which others run beside it. After `dispose`, everything but `info`
 * and `dispose` rejects with `MODEL_DISPOSED`.
 */
export class Model {
  readonly info: Readonly<LoadedModelInfo>;
  /** Sampling settings that the model's author recommends (generation_config.json). Never applied by themselves. */
  readonly generationDefaults: Readonly<GenerationDefaults>;
  readonly #parts: ModelParts;
  readonly #adapters: Adapters;
  readonly #resources: ModelResources;
  readonly #inFlight = new Set<Promise<unknown>>();
  #disposing: Promise<void> | undefined;

  /** Made by `loadModel`. */
  constructor(parts: ModelParts) {
    this.#parts = parts;
    this.#adapters = new Adapters(parts.native);
    this.#resources = new ModelResources({ ...parts, name: parts.info.name });
    freeWithOwner(this, this.#resources);
    this.info = Object.freeze({ ...parts.info });
    this.generationDefaults = Object.freeze({ ...parts.generationDefaults });
  }

  /**
   * The answer, part by part. It begins when the first part is asked for, and runs on ahead of a slow reader; leaving
   * the loop stops it.
   * @throws PunieError `INVALID_OPTION`, `CONTEXT_TOO_LONG`, `MODEL_UNSUPPORTED` (messages without a chat template),
   * `MODEL_CORRUPT` (a template that fails, logits that are not finite), `OUT_OF_MEMORY`; the signal's reason.
   */
  async *stream(request: GenerateRequest): AsyncGenerator<StreamPart, void> {
    const { generation, signal } = await this.#use(() => this.#start(request));
    yield* readParts(generation, signal);
  }

  /** The whole answer. Errors as for `stream`. */
  generate(request: GenerateRequest): Promise<GenerateResult> {
    return this.#use(async () => {
      const { generation, signal } = await this.#start(request);
      const joined = await joinParts(readParts(generation, signal));
      const { path, modelType, quantization, device } = this.info;
      return {
        text: this.#parts.tokenizer ? joined.text : null,
        promptTokens: [...generation.promptIds],
        tokens: generation.tokens,
        toolCalls: joined.toolCalls,
        invalidToolCalls: joined.invalidToolCalls,
        reasoning: joined.reasoning,
        finishReason: joined.finishReason,
        usage: joined.usage,
        timings: joined.timings,
        memory: this.#parts.native.memory(),
        model: { path, modelType, quantization, device },
      };
    });
  }

  /**
   * One vector of unit length for each text, given raw or as token ids, in their order. Short texts share passes. With
   * `pooling` `last` a text gets an end token, unless its tokenizer writes one; ids are taken as they stand.
   * @throws PunieError `INVALID_OPTION`, `CONTEXT_TOO_LONG`, `MODEL_UNSUPPORTED` (texts without a tokenizer, a pooling
   * of the model's own that is not known), `MODEL_CORRUPT`, `OUT_OF_MEMORY`; the signal's reason.
   */
  embed(texts: readonly (string | readonly number[] | Uint32Array)[], options?: EmbedOptions): Promise<Float32Array[]> {
    return this.#use(async () => {
      const checked = checkEmbedOptions(options, this.#parts.hiddenSize);
      if (!Array.isArray(texts)) throw invalidOption("texts", "an array of texts", texts);
      checked.signal?.throwIfAborted();
      const pooling = checked.pooling ?? (await readPooling(this.info.path)) ?? "last";
      const ids = await Promise.all(
        texts.map(async (text, index) => {
          const name = `texts[${index}]`;
          if (typeof text !== "string") return this.#encode(name, text);
          const encoded = await this.#encode(name, withInstruction(text, checked.instruction));
          return pooling === "last" ? withEndToken(encoded, this.#tokenizer("a text")) : encoded;
        }),
      );
      this.#checkLengths("texts", ids);
      return this.#runTasks((run) => computeEmbeddings(run, ids, pooling, checked));
    });
  }

  /**
   * How relevant each document is to the query, best first: for Qwen3-Reranker, whose prompt it makes.
   * @throws PunieError `INVALID_OPTION`, `CONTEXT_TOO_LONG`, `MODEL_UNSUPPORTED` (no tokenizer, no token for yes or no),
   * `MODEL_CORRUPT`, `OUT_OF_MEMORY`; the signal's reason.
   */
  rerank(query: string, documents: readonly string[], options?: RerankOptions): Promise<RankedDocument[]> {
    return this.#use(async () => {
      const { instruction, signal } = checkRerankOptions(query, documents, options);
      signal?.throwIfAborted();
      const all = await rerankPrompts(this.#tokenizer("reranking"), query, documents, instruction);
      this.#checkLengths("documents", all.prompts);
      return this.#runTasks((run) => computeRanking(run, all, signal));
    });
  }

  /**
   * How well the model foretells a text, given raw or as token ids: computed as mlx-lm does, over windows that each
   * begin anew.
   * @throws PunieError `INVALID_OPTION` (also for a text of fewer than two tokens), `MODEL_UNSUPPORTED` (a text without
   * a tokenizer), `MODEL_CORRUPT`, `OUT_OF_MEMORY`; the signal's reason.
   */
  perplexity(text: string | readonly number[] | Uint32Array, options?: PerplexityOptions): Promise<PerplexityResult> {
    return this.#use(async () => {
      const checked = checkPerplexityOptions(options, this.info.contextLength);
      checked.signal?.throwIfAborted();
      const ids = await this.#encode("text", text);
      return this.#runTasks((run) => computePerplexity(run, ids, checked));
    });
  }

  /** The adapter's directory that requests use; undefined: the model as it is. */
  get adapter(): string | undefined {
    return this.#adapters.path;
  }

  /**
   * Has the requests that begin from then on use a LoRA or DoRA adapter, as mlx-lm or PEFT writes them, or none
   * (undefined). The model is not loaded again; requests that run go on as they began. One that can't be loaded leaves
   * what was set.
   * @param path The adapter's directory.
   * @throws PunieError `INVALID_OPTION`, `MODEL_NOT_FOUND`, `MODEL_UNSUPPORTED`, `MODEL_CORRUPT`, `WEIGHTS_MISMATCH`
   * (it is of another model), `OUT_OF_MEMORY`.
   */
  setAdapter(path: string | undefined): Promise<void> {
    return this.#use(async () => this.#adapters.set(checkText("adapter", path)));
  }

  /** The text's token ids; `<|im_end|>` and the like become their tokens. */
  tokenize(text: string): Promise<number[]> {
    return this.#use(async () => {
      if (typeof text !== "string") throw invalidOption("text", "a text", text);
      return this.#tokenizer("tokenize").encode(text);
    });
  }

  /** The text of token ids. Bytes that are no UTF-8 give U+FFFD. */
  detokenize(ids: readonly number[] | Uint32Array): Promise<string> {
    return this.#use(async () => {
      const tokenizer = this.#tokenizer("detokenize");
      return ids.length === 0 ? "" : tokenizer.decode(checkIds("ids", ids, this.#parts.vocabSize));
    });
  }

  /**
   * The bytes that a token stands for, which may be part of a character only. Undefined for an id without a token, and
   * for vocabularies whose tokens are not bytes.
   */
  tokenBytes(id: number): Uint8Array | undefined {
    return this.#parts.tokenizer?.tokenBytes(id);
  }

  /** The prompt that these messages become: what `generate` reads for `messages`. */
  applyChatTemplate(messages: readonly ChatMessageInput[], options: ApplyChatTemplateOptions = {}): Promise<string> {
    return this.#use(() => this.#parts.template.render(messages, options));
  }

  /**
   * Bytes of weights, of caches and of work space, and the largest resident size so far of the process that the engine
   * runs in.
   */
  memory(): NativeMemory {
    this.#assertUsable();
    return this.#parts.native.memory();
  }

  /** Frees what is kept for requests to come, soon: the next one reads its whole prompt. */
  releaseCaches(): void {
    this.#assertUsable();
    this.#parts.native.releaseCaches();
  }

  /** Waits for the work in flight, then frees everything. Idempotent: every call waits for the same end. */
  dispose(): Promise<void> {
    this.#disposing ??= this.#disposeOnce();
    return this.#disposing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #disposeOnce(): Promise<void> {
    // What ends may have begun something more: a prompt that was being read becomes a generation.
    while (this.#inFlight.size > 0) await Promise.allSettled(this.#inFlight);
    await this.#resources.free();
  }

  #assertUsable(): void {
    if (this.#disposing)
      throw new PunieError("MODEL_DISPOSED", `Model '${this.info.name}' was disposed; load it again.`);
  }

  /** Runs work that `dispose` waits for. */
  async #use<T>(work: () => Promise<T>): Promise<T> {
    this.#assertUsable();
    return this.#track(work());
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#inFlight.add(work);
    const done = () => this.#inFlight.delete(work);
    work.then(done, done);
    return work;
  }

  /** Work whose requests all use one adapter. */
  #runTasks<T>(work: (run: RunPromptTask) => Promise<T>): Promise<T> {
    const { native, router } = this.#parts;
    return this.#adapters.use((adapter) =>
      work((task) => runPromptTask(native, router, this.info.path, { ...task, ...(adapter && { adapter }) })),
    );
  }

  /** A raw text, or ids, as ids. */
  async #encode(name: string, text: unknown): Promise<Uint32Array> {
    if (typeof text === "string") {
      if (text === "") throw invalidOption(name, "a text that is not empty", text);
      return encodeText(text, this.#tokenizer("a text"), this.#parts.vocabSize);
    }
    if (Array.isArray(text) || text instanceof Uint32Array) return checkIds(name, text, this.#parts.vocabSize);
    throw invalidOption(name, "a text or an array of token ids", text);
  }

  /** For what is read whole, with no answer after it. */
  #checkLengths(name: string, texts: readonly Uint32Array[]): void {
    const { contextLength } = this.info;
    const index = texts.findIndex((ids) => ids.length > contextLength);
    if (index < 0) return;
    const message = `${name}[${index}] takes ${texts[index]?.length} tokens; the context holds ${contextLength}.`;
    throw new PunieError("CONTEXT_TOO_LONG", message);
  }

  async #start(options: GenerateRequest): Promise<{ generation: Generation; signal: AbortSignal | undefined }> {
    const { native, router, endIds, loadMs, vocabSize } = this.#parts;
    const request = checkRequest(options, vocabSize);
    request.signal?.throwIfAborted();
    const { promptIds, text } = await abortable(this.#readPrompt(request), request.signal);
    const room = this.info.contextLength - promptIds.length;
    if (room < 1) throw this.#tooLong(promptIds.length);
    const generation = new Generation(native, router, {
      request,
      promptIds,
      maxTokens: Math.min(request.maxTokens, room),
      stopIds: request.ignoreEos ? [] : endIds,
      text,
      adapter: this.#adapters.id,
      modelPath: this.info.path,
      loadMs,
    });
    this.#track(generation.ended);
    return { generation, signal: request.signal };
  }

  async #readPrompt(request: CheckedRequest): Promise<{ promptIds: Uint32Array; text: AnswerText | undefined }> {
    const { input, stop } = request;
    if (input.kind === "ids" && stop.length === 0 && !this.#parts.tokenizer)
      return { promptIds: input.ids, text: undefined };
    const tokenizer = this.#tokenizer(input.kind === "ids" ? "stop" : "a prompt of text");
    const { promptIds, reader } = await readPrompt(request, tokenizer, this.#parts.template, this.#parts.vocabSize);
    const decoder = tokenizer.createStreamDecoder();
    return { promptIds, text: { decoder, reader, tokenText: (id) => tokenizer.tokenText(id) } };
  }

  #tokenizer(use: string): Tokenizer {
    if (this.#parts.tokenizer) return this.#parts.tokenizer;
    const { path } = this.info;
    throw new PunieError(
      "MODEL_UNSUPPORTED",
      `${path} has no tokenizer.json, which ${use} needs. Give token ids instead.`,
    );
  }

  #tooLong(promptTokens: number): PunieError {
    const { contextLength } = this.info;
    const { maxContextLength } = this.#parts;
    const longer =
      maxContextLength > contextLength
        ? `, or load the model with a longer context (contextLength, --context-length; it was trained for ${maxContextLength})`
        : "";
    return new PunieError(
      "CONTEXT_TOO_LONG",
      `The prompt has ${promptTokens} tokens; the context holds ${contextLength}, with at least one for the answer. ` +
        `Shorten the prompt${longer}.`,
    );
  }
}

/** The parts, as long as the signal allows; whoever stops reading stops the work. */
async function* readParts(generation: Generation, signal: AbortSignal | undefined): AsyncGenerator<StreamPart, void> {
  const abort = () => generation.cancel(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    yield* generation.parts;
  } finally {
    signal?.removeEventListener("abort", abort);
    generation.cancel(new PunieError("ABORTED", "The stream was left."));
  }
}
