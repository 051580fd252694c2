import { join } from "node:path";
import { PunieError } from "../errors.js";
import { PUNIE_DIRECTORY } from "../models/manifest.js";
import { directoryName } from "../models/model-name.js";
import { type Environment, huggingFaceCache, modelsDirectory } from "../models/places.js";
import { checkDownloadOptions, type DownloadOptions } from "./download-options.js";
import { hubEndpoint, isOffline } from "./endpoint.js";
import type { HttpFetch } from "./http.js";
import { HubClient } from "./hub-client.js";
import type { RequestContext } from "./hub-request.js";
import { createFetch } from "./network.js";
import { DEFAULT_RETRY, type RetryPolicy } from "./retry.js";
import { findToken } from "./token.js";

/** Long enough for a busy server, short enough for a user who watches. */
const STALL_MS = 30_000;

/** Tries of one question to the Hub: a wrong address or proxy shall be told of soon. Bytes get more patience. */
const QUESTION_ATTEMPTS = 4;

/** What one call of `downloadModel` or `planDownload` works with: options with their defaults, places, connections. */
export interface Session {
  repository: string;
  revision: string;
  modelsDir: string;
  /** The model's directory. */
  directory: string;
  /** Where unfinished and verified files are kept until all are there. */
  staging: string;
  /** The Hugging Face cache. */
  cache: string;
  isOffline: boolean;
  context: RequestContext;
  stallMs: number;
  retry: RetryPolicy;
  signal: AbortSignal;
  options: DownloadOptions;
  /** @param attempts Tries of each question, at most those of the session's own policy. */
  client(attempts?: number): HubClient;
}

/** Checks the options, runs `use`, and closes the connections that it opened. */
export async function withSession<Result>(
  name: string,
  options: DownloadOptions,
  use: (session: Session) => Promise<Result>,
): Promise<Result> {
  const repository = checkDownloadOptions(name, options);
  const env: Environment = options.env ?? process.env;
  const modelsDir = modelsDirectory(options.modelsDir, env);
  const directory = join(modelsDir, directoryName(repository));
  const endpoint = hubEndpoint(env);
  const token = await findToken(options.token, env);
  const revision = options.revision ?? "main";
  const stallMs = options.stallMs ?? STALL_MS;
  const retry = options.retry ?? DEFAULT_RETRY;
  const signal = options.signal ?? new AbortController().signal;
  signal.throwIfAborted();

  const own = options.fetch === undefined ? createFetch(env) : undefined;
  const context: RequestContext = { fetch: options.fetch ?? (own as { fetch: HttpFetch }).fetch, endpoint, token };
  const client = (attempts = QUESTION_ATTEMPTS) =>
    new HubClient({
      ...context,
      repository,
      revision,
      retry: { ...retry, attempts: Math.min(attempts, retry.attempts) },
      signal,
      stallMs,
      onRetry: (reason, waitMs) => options.onProgress?.({ type: "retry", reason, waitMs }),
    });
  const staging = join(directory, PUNIE_DIRECTORY, "download");
  const cache = huggingFaceCache(env);
  try {
    return await use({
      repository,
      revision,
      modelsDir,
      directory,
      staging,
      cache,
      isOffline: isOffline(env),
      context,
      stallMs,
      retry,
      signal,
      options,
      client,
    });
  } finally {
    await own?.close();
  }
}

export function offlineError(repository: string): PunieError {
  return new PunieError(
    "HUB_UNREACHABLE",
    `Model '${repository}' is not all here, and HF_HUB_OFFLINE is set: unset it to download the model.`,
  );
}
