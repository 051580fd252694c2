import { PunieError } from "../errors.js";
import type { HttpFetch, HttpResponse } from "./http.js";
import { networkError, TransientError } from "./transient-error.js";

export interface RequestContext {
  fetch: HttpFetch;
  /** The Hub's address, without a slash at its end. */
  endpoint: string;
  token: string | undefined;
}

export interface Answer {
  response: HttpResponse;
  /** Where it came from, after redirects. */
  url: URL;
  /** The last answer of the Hub's own host on the way, which describes the file: its headers. */
  hubHeaders: HttpResponse["headers"] | undefined;
}

const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * One GET, following redirects by hand: the access token goes to the Hub's own origin and to no other place.
 *
 * @throws TransientError for what the network does; PunieError `HUB_CORRUPT` for redirects without end or sense; the
 * signal's reason.
 */
export async function request(
  context: RequestContext,
  url: string | URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<Answer> {
  const hub = new URL(context.endpoint).origin;
  let place = new URL(url);
  let hubHeaders: HttpResponse["headers"] | undefined;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const own = place.origin === hub;
    const authorization = own && context.token ? { Authorization: `Bearer ${context.token}` } : {};
    const response = await fetchOnce(context, place, { ...headers, ...authorization }, signal);
    if (own) hubHeaders = response.headers;
    if (!REDIRECTS.has(response.status)) return { response, url: place, hubHeaders };
    await discard(response);
    place = redirectTarget(response, place);
  }
  throw new PunieError("HUB_CORRUPT", `${new URL(url).host} redirects more than ${MAX_REDIRECTS} times.`);
}

async function fetchOnce(
  context: RequestContext,
  place: URL,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<HttpResponse> {
  try {
    return await context.fetch(place.href, { headers, redirect: "manual", signal });
  } catch (error) {
    signal.throwIfAborted();
    throw networkError(error, place.host);
  }
}

function redirectTarget(response: HttpResponse, place: URL): URL {
  const location = response.headers.get("Location") ?? "";
  const target = URL.canParse(location, place.href) ? new URL(location, place) : undefined;
  const secure = target?.protocol === "https:" || (target?.protocol === "http:" && place.protocol === "http:");
  if (location === "" || target === undefined || !secure) {
    throw new PunieError("HUB_CORRUPT", `${place.host} redirects to where a download can't go.`);
  }
  return target;
}

/** Lets go of a body that isn't wanted. */
export async function discard(response: HttpResponse): Promise<void> {
  await response.body?.cancel().catch(() => undefined);
}

/**
 * The bytes of an answer, refused when there are more than `maxBytes`.
 *
 * @param onBytes Called as they come.
 */
export async function readLimited(
  response: HttpResponse,
  maxBytes: number,
  place: URL,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      onBytes(chunk.length);
      length += chunk.length;
      if (length > maxBytes)
        throw new PunieError("HUB_CORRUPT", `${place.host} answers with more than ${maxBytes} bytes.`);
      chunks.push(chunk);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error instanceof PunieError || error instanceof TransientError ? error : networkError(error, place.host);
  }
  return Buffer.concat(chunks);
}
