/** A model whose engine runs elsewhere: what a native model does, and one thing more, outliving its engine. */
import { PunieError } from "../errors.js";
import type {
  NativeAdapterSpec,
  NativeEvent,
  NativeMemory,
  NativeModel,
  NativeRequest,
} from "../native/binding-types.js";
import { AdapterLog } from "./adapter-log.js";
import type { EngineHost, OpenHost } from "./engine-host.js";
import type { EngineSource, LoadedEngine } from "./load-engine.js";
import { type FromEngine, NO_MEMORY, type ToEngine } from "./messages.js";
import { RequestLog } from "./request-log.js";

export interface RemoteEngineOptions {
  /** Go on in a new engine after a crash. */
  restart: boolean;
  /** What the host is called in messages, such as `process`. */
  hostName: string;
  onEvents: (events: NativeEvent[]) => void;
}

/** An engine that doesn't end by itself once it was told to is ended after this many milliseconds. */
const DISPOSAL_PATIENCE_MS = 10_000;

/** @throws PunieError the engine's; `ENGINE_CRASHED` when it ends while it loads. */
export async function loadRemoteEngine(
  openHost: OpenHost,
  source: EngineSource,
  options: RemoteEngineOptions,
): Promise<LoadedEngine> {
  const native = new RemoteEngine(openHost, source, options);
  const { device } = await native.connect();
  return { device, native };
}

type Loaded = Extract<FromEngine, { type: "loaded" }>;

/** One engine's life, from `load` on. */
interface Connection {
  host: EngineHost;
  ready: boolean;
  /** It could not load the model: it takes no request and will end. */
  refused: boolean;
}

class RemoteEngine implements NativeModel {
  readonly #openHost: OpenHost;
  readonly #source: EngineSource;
  readonly #options: RemoteEngineOptions;
  readonly #requests = new Map<number, RequestLog>();
  readonly #adapters = new AdapterLog();
  /** Undefined once it has ended. */
  #connection: Connection | undefined;
  #memory: NativeMemory = NO_MEMORY;
  /** How the last engine ended, if it wasn't told to. */
  #crash: string | undefined;
  #disposal: { promise: Promise<void>; done: () => void } | undefined;

  constructor(openHost: OpenHost, source: EngineSource, options: RemoteEngineOptions) {
    this.#openHost = openHost;
    this.#source = source;
    this.#options = options;
  }

  /** Opens a host and loads the model there. */
  connect(): Promise<Loaded> {
    let succeed: (loaded: Loaded) => void = () => undefined;
    let fail: (error: PunieError) => void = () => undefined;
    const loaded = new Promise<Loaded>((resolve, reject) => {
      succeed = resolve;
      fail = reject;
    });
    const host = this.#openHost({
      message: (message) => {
        if (message.type === "events") this.#receive(message.events, message.memory);
        else if (message.type === "load-failed") {
          connection.refused = true;
          fail(new PunieError(message.code, message.message));
        } else if (message.type !== "loaded") {
          this.#adapters.read(message);
          this.#hold();
        } else {
          this.#memory = message.memory;
          connection.ready = true;
          // Before any request that may name one.
          for (const spec of this.#adapters.specs) host.post({ type: "load-adapter", spec });
          this.#hold();
          succeed(message);
        }
      },
      ended: (how) => {
        fail(this.#crashed(`${how} while it loaded the model`));
        this.#ended(connection, how);
      },
    });
    const connection: Connection = { host, ready: false, refused: false };
    this.#connection = connection;
    host.post({ type: "load", source: this.#source });
    return loaded;
  }

  start(request: NativeRequest): void {
    if (this.#disposal) throw new PunieError("MODEL_DISPOSED", "The model has been disposed of.");
    if (!this.#connection && !this.#options.restart) {
      throw this.#crashed(`${this.#crash ?? "ended"}. Load the model again, or with 'restart'`);
    }
    this.#requests.set(request.id, new RequestLog(request));
    this.#give({ type: "start", request });
  }

  cancel(id: number): void {
    const log = this.#requests.get(id);
    if (!log) return;
    log.cancelled = true;
    if (this.#connection?.ready) this.#connection.host.post({ type: "cancel", id });
    // Between two engines nobody else ends it. Not at once: a native model never calls back from within a call.
    else queueMicrotask(() => this.#tell([log.finish("cancelled")]));
  }

  async loadAdapter(spec: NativeAdapterSpec): Promise<void> {
    if (this.#disposal) throw new PunieError("MODEL_DISPOSED", "The model has been disposed of.");
    if (!this.#connection && !this.#options.restart) throw this.#crashed(this.#crash);
    const answer = this.#adapters.add(spec);
    this.#give({ type: "load-adapter", spec });
    return await answer;
  }

  unloadAdapter(id: number): void {
    this.#adapters.remove(id);
    if (this.#connection?.ready) this.#connection.host.post({ type: "unload-adapter", id });
  }

  releaseCaches(): void {
    if (this.#connection?.ready) this.#connection.host.post({ type: "release-caches" });
  }

  memory(): NativeMemory {
    return this.#memory;
  }

  dispose(): Promise<void> {
    if (this.#disposal) return this.#disposal.promise;
    let done = () => {};
    const promise = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#disposal = { promise, done };
    const connection = this.#connection;
    if (!connection) done();
    else {
      connection.host.post({ type: "dispose" });
      this.#hold();
      const timer = setTimeout(() => connection.host.kill(), DISPOSAL_PATIENCE_MS);
      void promise.then(() => clearTimeout(timer));
    }
    return promise;
  }

  /** Sends what is logged already: an engine that isn't ready yet is given it with the log. */
  #give(message: ToEngine): void {
    const connection = this.#connection;
    if (connection === undefined || connection.refused) void this.#restart();
    else if (connection.ready) connection.host.post(message);
    this.#hold();
  }

  #receive(events: readonly NativeEvent[], memory: NativeMemory): void {
    this.#memory = memory;
    const told: NativeEvent[] = [];
    for (const event of events) {
      const read = this.#requests.get(event.request)?.read(event);
      if (read) told.push(read);
    }
    this.#tell(told);
  }

  /** Passes events on; a request's last one is the last that is passed on of it. */
  #tell(events: readonly NativeEvent[]): void {
    const told = events.filter((event) => {
      if (!this.#requests.has(event.request)) return false;
      if (event.type === "finish" || event.type === "error") this.#requests.delete(event.request);
      return true;
    });
    this.#hold();
    if (told.length > 0) this.#options.onEvents(told);
  }

  /** As a native model does: the event loop is held open while there is work, and not otherwise. */
  #hold(): void {
    const { host, ready } = this.#connection ?? {};
    if (!host) return;
    if (!ready || this.#requests.size > 0 || this.#adapters.waiting || this.#disposal) host.ref();
    else host.unref();
  }

  #ended(connection: Connection, how: string): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#memory = { ...this.#memory, modelBytes: 0, cacheBytes: 0 };
    this.#adapters.fail(this.#crashed(how));
    if (this.#disposal) {
      this.#tell([...this.#requests.values()].map((log) => log.finish("cancelled")));
      this.#disposal.done();
      return;
    }
    this.#crash = how;
    this.#tell([...this.#requests.values()].filter((log) => log.cancelled).map((log) => log.finish("cancelled")));
    if (!connection.ready) return; // whoever loads it is told
    const { restart } = this.#options;
    this.#fail([...this.#requests.values()].filter((log) => !restart || !log.mayGoOn()));
    // An engine that ends with nothing to do is not started until there is something.
    if (this.#requests.size > 0) void this.#restart();
  }

  /** Loads another engine and gives it what the last one had not ended. */
  async #restart(): Promise<void> {
    try {
      await this.connect();
    } catch (error) {
      const { code, message } = error as PunieError;
      this.#fail([...this.#requests.values()], { code, message: `It could not be started again: ${message}` });
      return;
    }
    for (const log of this.#requests.values()) {
      const next = log.resume(this.#source.contextLength);
      if ("type" in next) this.#tell([next]);
      else this.#connection?.host.post({ type: "start", request: next });
    }
  }

  #fail(logs: readonly RequestLog[], error: Pick<PunieError, "code" | "message"> = this.#crashed(this.#crash)): void {
    const { code, message } = error;
    this.#tell(logs.map((log) => ({ type: "error", request: log.id, code, message })));
  }

  #crashed(how = "ended"): PunieError {
    return new PunieError("ENGINE_CRASHED", `${this.#source.path}: the engine's ${this.#options.hostName} ${how}.`);
  }
}
