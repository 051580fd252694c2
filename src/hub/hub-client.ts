import { listFiles, modelInfo } from "@huggingface/hub";
import { z } from "zod";
import { PunieError } from "../errors.js";
import { issueText } from "../issue-text.js";
import type { FileHash } from "../models/file-hash.js";
import { fetchRange, type RemoteFile } from "./fetch-range.js";
import { hubError, type Subject } from "./hub-errors.js";
import { type Answer, discard, type RequestContext, readLimited, request } from "./hub-request.js";
import { type OnRetry, type RetryPolicy, withRetries } from "./retry.js";
import { TransientError } from "./transient-error.js";
import { Watchdog } from "./watchdog.js";

export interface HubFile {
  /** As the Hub tells it: not to be trusted as a path. */
  path: string;
  size: number;
  hash: FileHash;
}

export interface RepositoryInfo {
  commit: string;
  /** The repository's name now: another than was asked for when it has been renamed. */
  name: string;
}

export interface HubClientOptions extends RequestContext {
  repository: string;
  revision: string;
  retry: RetryPolicy;
  signal: AbortSignal;
  /** Longest time without a byte. */
  stallMs: number;
  onRetry: OnRetry;
}

// A listing has 1,000 files a page and about 300 bytes a file.
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const MAX_PAGES = 100;
const MAX_FILES = 100_000;

/** Asks the Hub about one repository. Bounded in bytes and pages; the token stays with the Hub's host. */
export class HubClient {
  readonly #options: HubClientOptions;

  constructor(options: HubClientOptions) {
    this.#options = options;
  }

  get subject(): Subject {
    const { repository, revision, endpoint, token } = this.#options;
    return { repository, revision, endpoint, hasToken: token !== undefined };
  }

  /** The commit that the revision names now: one request. */
  async info(): Promise<RepositoryInfo> {
    const { repository, revision, endpoint } = this.#options;
    const info = await understood(this.subject, () =>
      modelInfo({
        name: repository,
        revision,
        hubUrl: endpoint,
        additionalFields: ["sha", "disabled"],
        fetch: this.#pages(),
      }),
    );
    const { sha, name, disabled } = checked(infoFields, info, this.subject);
    if (disabled === true) throw new PunieError("HUB_DENIED", `Model '${repository}' is disabled on the Hub.`);
    return { commit: sha, name: name ?? repository };
  }

  /** Every file of a commit, with size and hash. */
  async files(commit: string): Promise<HubFile[]> {
    const { repository, endpoint } = this.#options;
    return await understood(this.subject, async () => {
      const files: HubFile[] = [];
      const repo = { type: "model", name: repository } as const;
      for await (const entry of listFiles({
        repo,
        recursive: true,
        revision: commit,
        hubUrl: endpoint,
        fetch: this.#pages(),
      })) {
        if (entry.type === "file") files.push(this.#file(entry));
        if (files.length > MAX_FILES) {
          throw new PunieError("HUB_CORRUPT", `Model '${repository}' lists more than ${MAX_FILES} files.`);
        }
      }
      return files;
    });
  }

  /** A small file of a commit, as the Hub sends it: not verified, and so for a look at it only. */
  async peek(commit: string, path: string, maxBytes: number): Promise<string> {
    const { retry, signal, stallMs, onRetry } = this.#options;
    const url = new URL(this.fileUrl(commit, path));
    const once = async () => {
      const watchdog = new Watchdog(signal, stallMs, url.host);
      try {
        const { response } = await request(this.#options, url, {}, watchdog.signal);
        if (!response.ok) {
          await discard(response);
          throw hubError(response, this.subject);
        }
        const bytes = await readLimited(response, maxBytes, url, watchdog.signal, (bytes) => watchdog.touch(bytes));
        return bytes.toString("utf8");
      } finally {
        watchdog.stop();
      }
    };
    return await withRetries(once, retry, signal, onRetry);
  }

  /** Bytes `start` to `end` (exclusive) of a file of a commit: not verified, and so for a look at it only. */
  async peekRange(commit: string, file: HubFile, start: number, end: number): Promise<Buffer> {
    const { retry, signal, stallMs, onRetry } = this.#options;
    const { path, size, hash } = file;
    const sha256 = hash.type === "sha256" ? hash.value : undefined;
    const remote: RemoteFile = { url: this.fileUrl(commit, path), size, sha256 };
    const options = { context: this.#options, subject: this.subject, stallMs, signal };
    const once = async () => {
      const bytes = Buffer.alloc(end - start);
      let filled = 0;
      await fetchRange(remote, start, end, options, async ({ isWholeFile, chunks }) => {
        let skip = isWholeFile ? start : 0;
        for await (const chunk of chunks) {
          const wanted = chunk.subarray(Math.min(skip, chunk.length));
          skip -= chunk.length - wanted.length;
          bytes.set(wanted.subarray(0, bytes.length - filled), filled);
          filled += Math.min(wanted.length, bytes.length - filled);
          if (filled === bytes.length) return;
        }
      });
      if (filled === bytes.length) return bytes;
      throw new TransientError(`${path} ends after ${filled} of ${bytes.length} bytes`, { code: "HUB_CORRUPT" });
    };
    return await withRetries(once, retry, signal, onRetry);
  }

  /** Where a file's bytes are asked for. */
  fileUrl(commit: string, path: string): string {
    const { endpoint, repository } = this.#options;
    return `${endpoint}/${repository}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
  }

  #file(entry: unknown): HubFile {
    const { path, size, oid, lfs } = checked(entryFields, entry, this.subject);
    if (lfs == null) return { path, size, hash: { type: "git-sha1", value: oid } };
    return { path, size: lfs.size, hash: { type: "sha256", value: lfs.oid } };
  }

  /** The fetch that @huggingface/hub gets for one call: our limits, retries and errors, and a count of pages. */
  #pages(): typeof fetch {
    const { endpoint, repository, retry, signal, onRetry } = this.#options;
    let pages = 0;
    return async (input) => {
      const url = new URL(input instanceof Request ? input.url : input);
      if (url.origin !== new URL(endpoint).origin) {
        throw new PunieError("HUB_CORRUPT", `The listing of '${repository}' goes on at another host, ${url.host}.`);
      }
      pages += 1;
      if (pages > MAX_PAGES) throw new PunieError("HUB_CORRUPT", `The listing of '${repository}' has too many pages.`);
      return await withRetries(() => this.#page(url), retry, signal, onRetry);
    };
  }

  async #page(url: URL): Promise<Response> {
    const { signal, stallMs } = this.#options;
    const watchdog = new Watchdog(signal, stallMs, url.host);
    try {
      const headers = { accept: "application/json" };
      const answer = await request(this.#options, url, headers, watchdog.signal);
      if (!answer.response.ok) {
        await discard(answer.response);
        throw hubError(answer.response, this.subject);
      }
      return await wholeJson(answer, watchdog);
    } finally {
      watchdog.stop();
    }
  }
}

async function wholeJson({ response, url }: Answer, watchdog: Watchdog): Promise<Response> {
  const type = response.headers.get("Content-Type") ?? "";
  if (!type.includes("json")) {
    await discard(response);
    throw new PunieError(
      "HUB_CORRUPT",
      `${url.host} answers with ${type.split(";")[0] || "no type"} where JSON was expected: is a proxy or a login page in between?`,
    );
  }
  const body = await readLimited(response, MAX_ANSWER_BYTES, url, watchdog.signal, (bytes) => watchdog.touch(bytes));
  const headers = new Headers({ "Content-Type": "application/json" });
  const link = response.headers.get("Link");
  if (link !== null) headers.set("Link", link);
  return new Response(new Uint8Array(body), { headers });
}

/** Errors of ours pass; what @huggingface/hub or JSON.parse throw means that the answer wasn't understood. */
async function understood<Result>(subject: Subject, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (cause) {
    if (!(cause instanceof SyntaxError || cause instanceof TypeError)) throw cause;
    throw new PunieError(
      "HUB_CORRUPT",
      `The Hub's answer about '${subject.repository}' is not understood: ${cause.message}.`,
      {
        cause,
      },
    );
  }
}

// Git's commit ids: 40 digits, 64 in newer repositories.
const infoFields = z.object({
  sha: z.string().regex(/^[0-9a-f]{40,64}$/),
  // It is printed as it is.
  name: z
    .string()
    .regex(/^[\w.-]{1,100}(\/[\w.-]{1,100})?$/)
    .optional(),
  disabled: z.boolean().nullish(),
});

const byteSize = z.number().int().min(0);
const entryFields = z.object({
  path: z.string(),
  size: byteSize,
  oid: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: byteSize }).nullish(),
});

function checked<Schema extends z.ZodType>(schema: Schema, value: unknown, subject: Subject): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new PunieError(
    "HUB_CORRUPT",
    `The Hub's answer about '${subject.repository}' is not understood: ${issue?.path.map(String).join(".")}: ${issueText(issue)}.`,
  );
}
