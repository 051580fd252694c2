/** What the addon is called with: every shape of binding-types.ts, with values in it that no caller should give. */
import { join } from "node:path";
import { ERROR_CODES } from "../../../src/errors.js";
import { openModelDirectory } from "../../../src/models/model-directory.js";
import { loadBinding } from "../../../src/native/binding.js";
import type {
  NativeLoadOptions,
  NativeModel,
  NativeModelSpec,
  NativeRequest,
  NativeTokenizer,
} from "../../../src/native/binding-types.js";
import { TINY_CODER } from "../../helpers/golden.js";
import type { Random } from "../../helpers/random.js";
import { writeRandomModel } from "../../helpers/random-model.js";
import { SMALL } from "../../helpers/random-model-damage.js";
import { GetterError, withOddValues } from "../odd-values.js";
import type { FuzzTarget } from "../run-cases.js";

type Call = (random: Random) => Promise<unknown> | unknown;

const CODES = new Set<string>(ERROR_CODES);

export async function open(directory: string): Promise<FuzzTarget> {
  const binding = loadBinding();
  const { spec } = await openModelDirectory(await writeRandomModel(SMALL, join(directory, "small")));
  const model = await binding.loadModel(spec, loadOptions());
  const loaded = await binding.loadTokenizer(TINY_CODER);
  if (!loaded.served) throw new Error(`the tiny model's tokenizer is not served: ${loaded.reason}`);
  const { tokenizer } = loaded;
  const calls: Call[] = [
    (random) => loadOdd(spec, random),
    (random) => startOdd(model, random),
    (random) => onOddTokenizer(random),
    (random) => tokenizer.encode(...odd(["a<|im_end|>", true, true] as const, random)),
    (random) => tokenizer.split(...odd(["a<|im_end|>"] as const, random)),
    (random) => model.cancel(...odd([1] as const, random)),
    (random) => binding.loadTokenizer(...odd([directory] as const, random)),
    (random) => callOnOddThis(model, tokenizer, random),
    (random) => construct([model, tokenizer][random(2)] as object, random),
  ];
  return {
    codes: [],
    async run(random) {
      try {
        await (calls[random(calls.length)] as Call)(random);
        return "taken";
      } catch (error) {
        return refusal(error);
      }
    },
    async close() {
      await model.dispose();
      tokenizer.dispose();
    },
  };

  async function loadOdd(sound: NativeModelSpec, random: Random): Promise<void> {
    const [first, second] = odd([sound, loadOptions()] as const, random);
    const odder = await binding.loadModel(first, second);
    try {
      await startOdd(odder, random);
    } finally {
      await odder.dispose();
    }
  }

  /** A tokenizer of its own, since what is read of the arguments may close it meanwhile. */
  async function onOddTokenizer(random: Random): Promise<void> {
    const own = await binding.loadTokenizer(TINY_CODER);
    if (!own.served) return;
    const close = () => own.tokenizer.dispose();
    const pieces = ["a", 3, "b".repeat(random(2) * 5000)];
    const text = withOddValues(pieces, random, close);
    try {
      await own.tokenizer.encode(text, false, true);
    } finally {
      close();
    }
  }
}

function loadOptions(): NativeLoadOptions {
  return { device: "cpu", threads: 1, contextLength: 64, prefillChunk: 16, stockOps: false, onEvents: () => {} };
}

function odd<T extends readonly unknown[]>(args: T, random: Random): { -readonly [K in keyof T]: T[K] } {
  return withOddValues([...args], random, () => {}) as { -readonly [K in keyof T]: T[K] };
}

let requests = 0;

async function startOdd(model: NativeModel, random: Random): Promise<void> {
  const request: NativeRequest = {
    id: requests++,
    prompt: new Uint32Array([1, 2, 3]),
    maxTokens: 3,
    stopIds: [5],
    sampling: {
      ...{ temperature: 1, topP: 0.9, topK: 4, minP: 0.1, repetitionPenalty: 1.1, repetitionContext: 4 },
      ...{ presencePenalty: 0.5, frequencyPenalty: 0.5, logitBias: [[3, 1]], seed: 7 },
    },
    logprobs: 2,
  };
  model.start(...(withOddValues([request], random, () => model.cancel(request.id)) as [NativeRequest]));
  // So that the requests of later cases do not queue up behind this one's.
  await new Promise((resolve) => setImmediate(resolve));
}

function callOnOddThis(model: NativeModel, tokenizer: NativeTokenizer, random: Random): unknown {
  const methods = [model.start, model.cancel, model.memory, model.dispose, tokenizer.encode, tokenizer.split];
  const receivers = [undefined, {}, model, tokenizer, Object.create(model), new Proxy(model, {}), 1];
  const receiver = receivers[random(receivers.length)];
  const method = methods[random(methods.length)] as (...args: unknown[]) => unknown;
  // The model's own dispose would end it for the cases to come.
  if (method === model.dispose && receiver === model) return undefined;
  return method.call(receiver, ...odd([{}, 1, "x"] as const, random));
}

/** The classes are not exported, but an object names its constructor. */
function construct(instance: object, random: Random): unknown {
  const Constructor = instance.constructor as new (...args: unknown[]) => object;
  const made = new Constructor(...odd([{}] as const, random)) as NativeModel & NativeTokenizer;
  return [() => made.memory(), () => made.dispose(), () => made.split("x")][random(3)]?.();
}

/** The addon's own errors have a code; others are what a getter threw, and V8's. */
function refusal(error: unknown): string {
  if (error instanceof GetterError) return "getter's error";
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === "string" && CODES.has(code) && code !== "INTERNAL") return code;
  if (error instanceof TypeError) return "TypeError";
  throw new Error(`an error without a code: ${code} ${message}`, { cause: error });
}
