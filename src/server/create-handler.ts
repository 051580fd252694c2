import { Hono } from "hono";
import { PunieError } from "../errors.js";
import { checkHostAndOrigin, isHostName } from "./allowed-host.js";
import { checkApiKey } from "./api-key.js";
import type { LogLevel, ServerContext } from "./context.js";
import { HttpError, toHttpError } from "./http-error.js";
import { modelNames } from "./model-names.js";
import { RequestQueue } from "./request-queue.js";
import { chatCompletions } from "./routes/chat-completions.js";
import { echo } from "./routes/echo.js";
import { health } from "./routes/health.js";
import { listModels, showModel } from "./routes/models.js";
import type { ServedModel } from "./served-model.js";

export interface HandlerOptions {
  /**
   * Names of the model that requests may give, beside `local`; the first is the one it is listed under. Default: the
   * name it was loaded by, for a path the directory's name before it; `["local"]` for a model without `info`.
   */
  modelNames?: readonly string[];
  /** Every route but /health then needs `Authorization: Bearer <apiKey>`. */
  apiKey?: string;
  /** Host names or addresses, without a port, answered for over HTTP beside the loopback ones. */
  allowedHosts?: readonly string[];
  /** Requests that may be at the model at once. Default 8: so many share its forward passes. */
  concurrency?: number;
  /** Requests that may wait beside those; more get a 429. Default 16. */
  queueLimit?: number;
  /** Largest body of a request, in bytes. Default 32 MiB. */
  bodyLimitBytes?: number;
  /** A stream sends a comment after this long without news, in milliseconds. Default 5000. */
  keepAliveMs?: number;
  /** Stops all requests, and those to come, with a 503. */
  signal?: AbortSignal;
  /** Told of each request: never of what it said or was answered. */
  log?: (level: LogLevel, message: string) => void;
}

/** Usable as `fetch`. As `fetch` does, it rejects with the signal's reason when that aborts before there is a response. */
export type Handler = (input: Request | string | URL, init?: RequestInit) => Promise<Response>;

const DEFAULT_CONCURRENCY = 8;
const DEFAULT_QUEUE_LIMIT = 16;
const DEFAULT_BODY_LIMIT_BYTES = 32 * 1024 * 1024;
/** Shorter than the idle limits of common proxies (nginx: 60 s) and of impatient clients. */
const DEFAULT_KEEP_ALIVE_MS = 5_000;

type Route = (request: Request, context: ServerContext) => Response | Promise<Response>;

/** Paths as hono writes them; a path has one method here. */
const ROUTES: readonly [method: string, path: string, route: Route][] = [
  ["GET", "/health", health],
  ["POST", "/echo", echo],
  ["GET", "/v1/models", listModels],
  ["GET", "/v1/models/:name{.+}", showModel],
  ["POST", "/v1/chat/completions", chatCompletions],
];

const OPEN_PATH = "/health";

/**
 * The HTTP API on a model, as a function from request to response: over HTTP behind any server that speaks `fetch`,
 * or in process, with no socket, as the `fetch` of a client. The model stays the caller's to dispose of.
 * @throws PunieError `INVALID_OPTION`
 */
export function createHandler(model: ServedModel, options: HandlerOptions = {}): Handler {
  const context = createContext(model, options);
  const { apiKey, allowedHosts = [] } = options;
  const app = new Hono();
  app.use(async (c, next) => {
    const startedAt = performance.now();
    await next();
    const ms = Math.round(performance.now() - startedAt);
    context.log("info", `${c.req.method} ${c.req.path} ${c.res.status} ${ms} ms`);
  });
  app.use(async (c, next) => {
    checkHostAndOrigin(c.req.raw, allowedHosts);
    if (apiKey !== undefined && c.req.path !== OPEN_PATH) checkApiKey(c.req.raw, apiKey);
    await next();
  });
  for (const [method, path, route] of ROUTES) {
    app.on(method, path, (c) => route(c.req.raw, context));
    app.all(path, (c) => wrongMethod(c.req.raw, method));
  }
  app.notFound((c) => new HttpError(404, `There is no ${c.req.path} here.`, { code: "not_found" }).response());
  app.onError((error, c) => {
    const told = toHttpError(error);
    const gone = c.req.raw.signal.aborted;
    if (told.status === 500 && !gone) context.log("error", `${c.req.path}: ${error.stack ?? error.message}`);
    return told.response();
  });
  return async (input, init) => {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const response = await app.fetch(request);
    request.signal.throwIfAborted();
    return response;
  };
}

function wrongMethod(request: Request, method: string): Response {
  const path = new URL(request.url).pathname;
  return new HttpError(405, `${path} takes ${method}, not ${request.method}.`, {
    code: "method_not_allowed",
    headers: { allow: method },
  }).response();
}

function createContext(model: ServedModel, options: HandlerOptions): ServerContext {
  if (typeof (model as Partial<ServedModel> | undefined)?.stream !== "function") {
    throw new PunieError("INVALID_OPTION", "model: expected what loadModel returned, or anything with its stream().");
  }
  if (options.apiKey === "") throw new PunieError("INVALID_OPTION", "apiKey: expected a key, received an empty one.");
  for (const host of options.allowedHosts ?? []) {
    if (!isHostName(host)) {
      throw new PunieError(
        "INVALID_OPTION",
        `allowedHosts: expected names or addresses without a port, received ${JSON.stringify(host)}.`,
      );
    }
  }
  const [first = "local", ...others] = options.modelNames ?? (model.info ? modelNames(model.info) : []);
  return {
    model,
    modelNames: [first, ...others],
    queue: new RequestQueue(
      atLeast("concurrency", 1, options.concurrency, DEFAULT_CONCURRENCY),
      atLeast("queueLimit", 0, options.queueLimit, DEFAULT_QUEUE_LIMIT),
    ),
    bodyLimitBytes: atLeast("bodyLimitBytes", 1, options.bodyLimitBytes, DEFAULT_BODY_LIMIT_BYTES),
    keepAliveMs: atLeast("keepAliveMs", 1, options.keepAliveMs, DEFAULT_KEEP_ALIVE_MS),
    created: Math.floor(Date.now() / 1000),
    stopping: stoppingSignal(options.signal),
    log: options.log ?? (() => {}),
  };
}

/** Aborts with the caller's signal, and with what the clients are then told. */
function stoppingSignal(signal: AbortSignal | undefined): AbortSignal {
  const controller = new AbortController();
  const stop = () => controller.abort(new HttpError(503, "The server is stopping.", { code: "stopping" }));
  if (signal?.aborted) stop();
  else signal?.addEventListener("abort", stop, { once: true });
  return controller.signal;
}

function atLeast(name: string, least: number, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new PunieError("INVALID_OPTION", `${name}: expected an integer of at least ${least}, received ${value}.`);
}
