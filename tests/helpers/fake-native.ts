/** An addon without arrays: it answers with the ids that a test writes down, one per turn of the event loop. */
import type {
  NativeBinding,
  NativeEvent,
  NativeLoadOptions,
  NativeModel,
  NativeModelSpec,
  NativeRequest,
} from "../../src/native/binding-types.js";

export interface FakeOptions {
  /** The ids of the answer, before any limit. An endless answer is what a test cancels. */
  answer?: (request: NativeRequest) => Iterable<number>;
  /** Loading fails with this. */
  loadError?: Error;
  /** The request's only event, in place of an answer. */
  error?: { code: string; message: string };
  devices?: ("cpu" | "metal" | "cuda")[];
}

export interface FakeNative {
  binding: NativeBinding;
  requests: NativeRequest[];
  cancelled: number[];
  loadOptions: NativeLoadOptions[];
  /** Token events that were sent. */
  sent: number;
  disposals: number;
  /** Calls of `releaseCaches`. */
  releases: number;
}

const LOGPROB = -0.25;

export function fakeNative(options: FakeOptions = {}): FakeNative {
  const fake: FakeNative = {
    requests: [],
    cancelled: [],
    loadOptions: [],
    sent: 0,
    disposals: 0,
    releases: 0,
    binding: {
      info: () => ({
        mlxVersion: "0.32.4",
        devices: options.devices ?? ["cpu"],
        deviceName: "fake",
        cpuKernels: "portable",
        cores: 2,
      }),
      loadModel: async (spec, load) => {
        if (options.loadError) throw options.loadError;
        fake.loadOptions.push(load);
        return fakeModel(fake, options, spec, load);
      },
      loadTokenizer: async () => ({ served: false, reason: "fake" }),
      carryGgmlRows: async () => {
        throw new Error("the fake addon carries nothing over");
      },
      convertRows: async () => {
        throw new Error("the fake addon converts nothing");
      },
      shutdown: () => undefined,
      measureMemoryBandwidth: async () => 1e9,
    },
  };
  return fake;
}

function fakeModel(
  fake: FakeNative,
  options: FakeOptions,
  spec: NativeModelSpec,
  load: NativeLoadOptions,
): NativeModel {
  let queue = Promise.resolve();
  const send = (event: NativeEvent) => load.onEvents([event]);

  async function run(request: NativeRequest): Promise<void> {
    const { id, prompt, maxTokens, stopIds } = request;
    if (options.error) {
      send({ type: "error", request: id, ...options.error } as NativeEvent);
      return;
    }
    send({ type: "prefill", request: id, processed: prompt.length, total: prompt.length });
    let reason: "stop" | "length" | "cancelled" = "stop";
    let completionTokens = 0;
    for (const token of options.answer?.(request) ?? []) {
      // A millisecond or so: a test that stops an answer after twenty must not find it ended.
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (fake.cancelled.includes(id)) reason = "cancelled";
      if (reason === "cancelled" || stopIds.includes(token)) break;
      const logprobs = request.logprobs < 0 ? {} : { logprob: LOGPROB };
      const top = request.logprobs < 1 ? {} : { top: [[token, LOGPROB] as [number, number]] };
      send({ type: "token", request: id, id: token, ...logprobs, ...top });
      fake.sent++;
      completionTokens++;
      if (completionTokens === maxTokens) {
        reason = "length";
        break;
      }
    }
    const times = { promptMs: 10, firstTokenMs: 20, generationMs: 100 };
    const counts = { promptTokens: prompt.length, cachedTokens: 0, completionTokens };
    send({ type: "finish", request: id, reason, ...counts, ...times });
  }

  return {
    start: (request) => {
      fake.requests.push(request);
      queue = queue.then(() => run(request));
    },
    loadAdapter: async () => undefined,
    unloadAdapter: () => undefined,
    cancel: (id) => void fake.cancelled.push(id),
    releaseCaches: () => void fake.releases++,
    memory: () => ({
      modelBytes: spec.tensors.reduce((sum, { bytes }) => sum + bytes, 0),
      cacheBytes: 0,
      workBytes: 0,
      peakBytes: 1,
    }),
    dispose: async () => void fake.disposals++,
  };
}
