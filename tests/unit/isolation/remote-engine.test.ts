import { describe, expect, it, vi } from "vitest";
import type { EngineHost, HostListener, OpenHost } from "../../../src/isolation/engine-host.js";
import type { FromEngine, ToEngine } from "../../../src/isolation/messages.js";
import { loadRemoteEngine } from "../../../src/isolation/remote-engine.js";
import type { NativeEvent, NativeModelSpec, NativeRequest } from "../../../src/native/binding-types.js";

const MEMORY = { modelBytes: 10, cacheBytes: 20, workBytes: 5, peakBytes: 30 };
const CONTEXT_LENGTH = 10;
const SOURCE = {
  path: "/models/x",
  spec: {} as NativeModelSpec,
  device: "auto",
  threads: 0,
  contextLength: CONTEXT_LENGTH,
  prefillChunk: 512,
  cacheBytes: 1e9,
} as const;

/** A host that a test plays the engine of. */
class FakeHost implements EngineHost {
  readonly posted: ToEngine[] = [];
  held = true;
  killed = false;

  constructor(readonly listener: HostListener) {}

  post(message: ToEngine): void {
    this.posted.push(message);
  }

  ref(): void {
    this.held = true;
  }

  unref(): void {
    this.held = false;
  }

  kill(): void {
    this.killed = true;
  }

  send(...events: NativeEvent[]): void {
    this.listener.message({ type: "events", events, memory: MEMORY });
  }

  load(): void {
    this.listener.message({ type: "loaded", device: "cpu", memory: MEMORY } satisfies FromEngine);
  }

  started(): NativeRequest[] {
    return this.posted.flatMap((message) => (message.type === "start" ? [message.request] : []));
  }
}

async function open({ restart = false } = {}) {
  const hosts: FakeHost[] = [];
  const events: NativeEvent[] = [];
  const openHost: OpenHost = (listener) => {
    const host = new FakeHost(listener);
    hosts.push(host);
    return host;
  };
  const onEvents = (batch: NativeEvent[]) => void events.push(...batch);
  const loading = loadRemoteEngine(openHost, SOURCE, { restart, hostName: "process", onEvents });
  const host = (index: number) => hosts[index] as FakeHost;
  host(0).load();
  const { native } = await loading;
  return { native, hosts, host, events };
}

const request = (id: number, values: Partial<NativeRequest> = {}) =>
  ({ id, prompt: Uint32Array.of(1, 2, 3), maxTokens: 5, stopIds: [9], logprobs: -1, ...values }) as NativeRequest;
const token = (request: number, id: number): NativeEvent => ({ type: "token", request, id });
const finish = (request: number, values: object = {}): NativeEvent => ({
  type: "finish",
  request,
  reason: "stop",
  promptTokens: 3,
  cachedTokens: 0,
  completionTokens: 0,
  promptMs: 1,
  firstTokenMs: 2,
  generationMs: 3,
  ...values,
});

describe("an isolated engine", () => {
  it("is given the model to load, then requests and cancellations, and its events are passed on as they are", async () => {
    const { native, host, events } = await open();
    native.start(request(1));
    native.cancel(1);
    host(0).send(token(1, 7), finish(1, { reason: "cancelled" }));
    expect(host(0).posted.map(({ type }) => type)).toEqual(["load", "start", "cancel"]);
    expect(events).toEqual([token(1, 7), finish(1, { reason: "cancelled" })]);
    expect(native.memory()).toEqual(MEMORY);
  });

  it("holds the event loop open while it loads, works or ends, and not otherwise", async () => {
    const { native, host } = await open();
    expect(host(0).held).toBe(false);
    native.start(request(1));
    expect(host(0).held).toBe(true);
    host(0).send(finish(1));
    expect(host(0).held).toBe(false);
    void native.dispose();
    expect(host(0).held).toBe(true);
  });

  it("that cannot load the model rejects with the engine's error", async () => {
    const hosts: HostListener[] = [];
    const openHost: OpenHost = (listener) => {
      hosts.push(listener);
      return { post: () => {}, ref: () => {}, unref: () => {}, kill: () => {} };
    };
    const load = () =>
      loadRemoteEngine(openHost, SOURCE, { restart: true, hostName: "process", onEvents: () => undefined });
    const refused = load();
    hosts[0]?.message({ type: "load-failed", code: "WEIGHTS_MISMATCH", message: "no" });
    await expect(refused).rejects.toMatchObject({ code: "WEIGHTS_MISMATCH", message: "no" });
    const crashed = load();
    hosts[1]?.ended("was ended by SIGSEGV");
    const message = "/models/x: the engine's process was ended by SIGSEGV while it loaded the model.";
    await expect(crashed).rejects.toMatchObject({ code: "ENGINE_CRASHED", message });
  });

  it("that crashes fails its requests, and later ones, but those that were cancelled", async () => {
    const { native, host, events } = await open();
    native.start(request(1));
    native.start(request(2));
    native.cancel(2);
    host(0).listener.ended("was ended by SIGSEGV");
    const message = "/models/x: the engine's process was ended by SIGSEGV.";
    expect(events).toEqual([
      expect.objectContaining({ type: "finish", request: 2, reason: "cancelled" }),
      { type: "error", request: 1, code: "ENGINE_CRASHED", message },
    ]);
    expect(() => native.start(request(3))).toThrow(expect.objectContaining({ code: "ENGINE_CRASHED" }));
    await native.dispose();
  });

  it("disposed of ends its requests as cancelled, and takes no more", async () => {
    const { native, host, events } = await open();
    native.start(request(1));
    const disposing = native.dispose();
    expect(native.dispose()).toBe(disposing);
    expect(() => native.start(request(2))).toThrow(expect.objectContaining({ code: "MODEL_DISPOSED" }));
    expect(host(0).posted.at(-1)).toEqual({ type: "dispose" });
    host(0).listener.ended("exited with code 0");
    await disposing;
    expect(events).toEqual([expect.objectContaining({ type: "finish", request: 1, reason: "cancelled" })]);
  });

  it("that does not end when it is disposed of is killed", async () => {
    vi.useFakeTimers();
    try {
      const { native, host } = await open();
      const disposing = native.dispose();
      await vi.advanceTimersByTimeAsync(60_000);
      expect(host(0).killed).toBe(true);
      host(0).listener.ended("was ended by SIGKILL");
      await disposing;
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("with restart, after a crash", () => {
  it("a request goes on in a new engine from the tokens so far", async () => {
    const { native, host, events } = await open({ restart: true });
    native.start(request(1));
    host(0).send({ type: "prefill", request: 1, processed: 3, total: 3 }, token(1, 7), token(1, 8));
    host(0).listener.ended("was ended by SIGSEGV");
    host(1).load();
    await vi.waitFor(() => expect(host(1).started()).toHaveLength(1));
    expect(host(1).started()[0]).toEqual(request(1, { prompt: Uint32Array.of(1, 2, 3, 7, 8), maxTokens: 3 }));
    host(1).send(
      { type: "prefill", request: 1, processed: 5, total: 5 },
      token(1, 6),
      finish(1, { promptTokens: 5, completionTokens: 1 }),
    );
    expect(events.filter(({ type }) => type === "prefill")).toHaveLength(1);
    expect(events.flatMap((event) => (event.type === "token" ? [event.id] : []))).toEqual([7, 8, 6]);
    expect(events.at(-1)).toMatchObject({ type: "finish", promptTokens: 3, completionTokens: 3, reason: "stop" });
  });

  it.each([
    ["all its tokens", request(1, { maxTokens: 2 }), [7, 8]],
    ["filled the context", request(1, { maxTokens: 50, prompt: new Uint32Array(8) }), [7, 8]],
  ])("a request that has %s ends as it would have", async (_, asked, ids) => {
    const { native, host, events } = await open({ restart: true });
    native.start(asked);
    host(0).send(...ids.map((id) => token(1, id)));
    host(0).listener.ended("was ended by SIGSEGV");
    host(1).load();
    await vi.waitFor(() =>
      expect(events.at(-1)).toMatchObject({ type: "finish", reason: "length", completionTokens: 2 }),
    );
    expect(host(1).started()).toEqual([]);
  });

  it("a request cancelled between two engines ends, and the new one never hears of it", async () => {
    const { native, host, events } = await open({ restart: true });
    native.start(request(1));
    host(0).listener.ended("was ended by SIGSEGV");
    native.cancel(1);
    await vi.waitFor(() => expect(events).toEqual([expect.objectContaining({ type: "finish", reason: "cancelled" })]));
    host(1).load();
    await Promise.resolve();
    expect(host(1).started()).toEqual([]);
  });

  it("a request that comes between two engines waits for the new one", async () => {
    const { native, host } = await open({ restart: true });
    native.start(request(1));
    host(0).listener.ended("was ended by SIGSEGV");
    native.start(request(2));
    expect(host(1).started()).toEqual([]);
    host(1).load();
    await vi.waitFor(() =>
      expect(
        host(1)
          .started()
          .map(({ id }) => id),
      ).toEqual([1, 2]),
    );
  });

  it("a request under which engines end again and again is given up", async () => {
    const { native, hosts, host, events } = await open({ restart: true });
    native.start(request(1));
    for (let crash = 0; crash < 4; crash++) {
      host(crash).listener.ended("was ended by SIGSEGV");
      if (crash < 3) host(crash + 1).load();
      if (crash < 3) await vi.waitFor(() => expect(host(crash + 1).started()).toHaveLength(1));
    }
    expect(events).toEqual([expect.objectContaining({ type: "error", request: 1, code: "ENGINE_CRASHED" })]);
    expect(hosts).toHaveLength(4);
  });

  it("an engine that was idle is started again by the next request", async () => {
    const { native, hosts, host } = await open({ restart: true });
    host(0).listener.ended("was ended by SIGKILL");
    expect(hosts).toHaveLength(1);
    native.start(request(1));
    host(1).load();
    await vi.waitFor(() => expect(host(1).started()).toHaveLength(1));
  });

  it("requests fail when no new engine can be started, and the next one tries again", async () => {
    const { native, host, events } = await open({ restart: true });
    native.start(request(1));
    host(0).listener.ended("was ended by SIGSEGV");
    host(1).listener.message({ type: "load-failed", code: "MODEL_CORRUPT", message: "cut short" });
    host(1).listener.ended("exited with code 0");
    const error = { type: "error", request: 1, code: "MODEL_CORRUPT", message: expect.stringContaining("cut short") };
    await vi.waitFor(() => expect(events).toEqual([error]));
    native.start(request(2));
    host(2).load();
    await vi.waitFor(() => expect(host(2).started()).toHaveLength(1));
  });

  it("a request that comes after an engine could not load, and before it ends, tries again", async () => {
    const { native, host, events } = await open({ restart: true });
    native.start(request(1));
    host(0).listener.ended("was ended by SIGSEGV");
    host(1).listener.message({ type: "load-failed", code: "MODEL_CORRUPT", message: "cut short" });
    await vi.waitFor(() => expect(events).toHaveLength(1));
    native.start(request(2));
    host(1).listener.ended("exited with code 0");
    host(2).load();
    await vi.waitFor(() => expect(host(2).started()).toHaveLength(1));
  });

  it("disposing between two engines ends both", async () => {
    const { native, host } = await open({ restart: true });
    native.start(request(1));
    host(0).listener.ended("was ended by SIGSEGV");
    const disposing = native.dispose();
    host(1).listener.ended("exited with code 0");
    await disposing;
  });
});
