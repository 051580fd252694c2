import { PunieError } from "../errors.js";
import type { HttpResponse } from "./http.js";
import { hubError, type Subject } from "./hub-errors.js";
import { type Answer, discard, type RequestContext, request } from "./hub-request.js";
import type { Range } from "./range-set.js";
import { networkError, TransientError } from "./transient-error.js";
import { Watchdog } from "./watchdog.js";

/** A file's bytes on the Hub, as several connections ask for them. */
export interface RemoteFile {
  /** On the Hub's own host. */
  url: string;
  size: number;
  /** SHA-256, when the Hub keeps the file as a large one. */
  sha256: string | undefined;
  /** Where the Hub last redirected to: saves a request for each further range, until it no longer answers. */
  location?: URL | undefined;
  /** How often in a row the whole file came where a part was asked for. */
  wholeAnswers?: number;
}

export interface RangeOptions {
  context: RequestContext;
  subject: Subject;
  stallMs: number;
  signal: AbortSignal;
}

/** An open answer: the bytes that were asked for, or, from a server that ignores ranges, the whole file. */
export interface RangeBody {
  isWholeFile: boolean;
  chunks: AsyncIterable<Uint8Array>;
}

/**
 * Asks for bytes `start` to `end` (exclusive) of a file.
 *
 * @param use Gets the bytes as they come; the connection is closed when it returns.
 * @throws TransientError for what may pass; PunieError for what won't; the signal's reason.
 */
export async function fetchRange(
  file: RemoteFile,
  start: number,
  end: number,
  options: RangeOptions,
  use: (body: RangeBody) => Promise<void>,
): Promise<void> {
  const place = file.location ?? new URL(file.url);
  const watchdog = new Watchdog(options.signal, options.stallMs, place.host);
  try {
    // Bytes as they are: a compressed answer has other offsets.
    const headers = { Range: `bytes=${start}-${end - 1}`, "Accept-Encoding": "identity" };
    const answer = await request(options.context, place, headers, watchdog.signal);
    try {
      await checkAnswer(answer, file, [start, end], options);
      await use({ isWholeFile: answer.response.status === 200, chunks: chunksOf(answer, watchdog) });
    } finally {
      await discard(answer.response);
    }
  } finally {
    watchdog.stop();
  }
}

async function checkAnswer(answer: Answer, file: RemoteFile, range: Range, options: RangeOptions): Promise<void> {
  const { response, url, hubHeaders } = answer;
  const isHub = url.origin === new URL(options.context.endpoint).origin;
  if (response.status !== 206 && response.status !== 200) {
    // A signed address may have run out: the Hub gives another.
    const wasRemembered = file.location !== undefined;
    file.location = undefined;
    if (response.status === 416) throw sizeLie(url, file, "another size");
    if (isHub && !wasRemembered) throw hubError(response, options.subject);
    throw new TransientError(`${url.host} answers ${response.status}`, { code: "HUB_UNREACHABLE" });
  }
  const linked = bareEtag(hubHeaders?.get("X-Linked-Etag"));
  if (file.sha256 !== undefined && linked !== undefined && /^[0-9a-f]{64}$/.test(linked) && linked !== file.sha256) {
    throw new PunieError("HUB_CORRUPT", `${url.host} has other content for ${file.url} than the Hub lists.`);
  }
  const encoding = response.headers.get("Content-Encoding");
  if (encoding !== null && encoding !== "identity") {
    throw new TransientError(`${url.host} sends compressed bytes (${encoding})`, { code: "HUB_CORRUPT" });
  }
  if (response.status === 206) checkContentRange(response, url, file, range[0]);
  else checkWhole(response, url, file, range);
  if (!isHub) file.location = url;
}

function checkWhole(response: HttpResponse, url: URL, file: RemoteFile, [start, end]: Range): void {
  const length = response.headers.get("Content-Length");
  if (length !== null && Number(length) !== file.size) throw sizeLie(url, file, `${length} bytes`);
  if (start === 0 && end === file.size) return;
  file.wholeAnswers = (file.wholeAnswers ?? 0) + 1;
  // It may be a slip of one server of many: to fetch all again costs more than to ask again.
  if (file.wholeAnswers > PATIENCE_FOR_RANGES) return;
  throw new TransientError(`${url.host} sends the whole file where a part was asked for`, { retryAfterMs: 0 });
}

const PATIENCE_FOR_RANGES = 2;

function checkContentRange(response: HttpResponse, url: URL, file: RemoteFile, start: number): void {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get("Content-Range") ?? "");
  if (match === null || Number(match[1]) !== start) {
    throw new TransientError(`${url.host} answers with another range than was asked for`, { code: "HUB_CORRUPT" });
  }
  if (match[3] !== "*" && Number(match[3]) !== file.size) throw sizeLie(url, file, `${match[3]} bytes`);
  file.wholeAnswers = 0;
}

/** Transient: a page of an intermediary has another size too. */
function sizeLie(url: URL, file: RemoteFile, found: string): TransientError {
  file.location = undefined;
  return new TransientError(`${url.host} has ${found} where the Hub lists ${file.size}`, { code: "HUB_CORRUPT" });
}

function bareEtag(etag: string | null | undefined): string | undefined {
  return etag?.replace(/^W\//, "").replaceAll('"', "");
}

async function* chunksOf({ response, url }: Answer, watchdog: Watchdog): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response.body ?? []) {
      watchdog.hold();
      yield chunk;
      watchdog.touch(chunk.length);
    }
  } catch (error) {
    watchdog.signal.throwIfAborted();
    throw networkError(error, url.host);
  }
}
