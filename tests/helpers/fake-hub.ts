/**
 * A Hub on loopback with the real API's shapes: model info, listing in pages, files, and a second host for the large
 * ones, to which it redirects. It keeps a list of what it was asked, and can be told to misbehave.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Fault, sendFile } from "./fake-hub-send.js";

export type { Fault };

export interface FakeRepository {
  /** Path to content. */
  files: Record<string, Buffer>;
  /** Names of those kept as large files; the others are plain git blobs. Default: `*.safetensors`. */
  large?: string[];
  commit?: string;
  /** Branches and tags beside `main`. */
  revisions?: Record<string, FakeRepository>;
  gated?: boolean;
  private?: boolean;
  disabled?: boolean;
  /** The repository was renamed to this. */
  renamedTo?: string;
  /** Sizes that the listing tells instead of the true ones. */
  listedSizes?: Record<string, number>;
  /** Entries added to the listing as they stand. */
  extraEntries?: object[];
}

export interface SeenRequest {
  host: "hub" | "cdn";
  method: string;
  /** Path and query. */
  url: string;
  authorization: string | undefined;
  range: string | undefined;
  /** Of the file that is asked for. */
  file?: string | undefined;
  /** How often this URL was asked for before. */
  count: number;
}

/** Repository, revision and path of a file that is asked for. */
const RESOLVE = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/([^?]+)/;
const RESOLVE_CACHE = /^\/api\/resolve-cache\/models\/([^/]+\/[^/]+)\/([^/]+)\/([^?]+)/;

export const TOKEN = "hf_fakeTokenForTests";
const PAGE = 3;

export class FakeHub {
  readonly repositories: Record<string, FakeRepository> = {};
  readonly requests: SeenRequest[] = [];
  /** Bytes of files sent. */
  sentBytes = 0;
  /** Of each connection. Default: as fast as it can. */
  bytesPerSecond: number | undefined;
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  readonly #hub = createServer((request, response) => this.#serve("hub", request, response));
  readonly #cdn = createServer((request, response) => this.#serve("cdn", request, response));

  static async start(): Promise<FakeHub> {
    const fake = new FakeHub();
    for (const server of [fake.#hub, fake.#cdn]) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    return fake;
  }

  get endpoint(): string {
    return addressOf(this.#hub);
  }

  get cdn(): string {
    return addressOf(this.#cdn);
  }

  async stop(): Promise<void> {
    for (const server of [this.#hub, this.#cdn]) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  #serve(host: "hub" | "cdn", request: IncomingMessage, response: ServerResponse): void {
    const url = request.url ?? "/";
    const { authorization, range } = request.headers;
    const count = this.requests.filter((seen) => seen.host === host && seen.url === url).length;
    const seen: SeenRequest = { host, method: request.method ?? "GET", url, authorization, range, count };
    seen.file = fileOf(url);
    this.requests.push(seen);
    const fault = this.fault(seen) ?? {};
    if (fault.status !== undefined || fault.body !== undefined) {
      response.writeHead(fault.status ?? 200, { "Content-Type": "application/json", ...fault.headers });
      response.end(fault.body ?? "{}");
      return;
    }
    if (host === "cdn") this.#serveCdn(seen, response, fault);
    else this.#serveHub(seen, request, response, fault);
  }

  #serveCdn(seen: SeenRequest, response: ServerResponse, fault: Fault): void {
    const [, repository, path] = /^\/blob\/([^/]+\/[^/]+)\/[^/]+\/(.+?)\?/.exec(seen.url) ?? [];
    const file = this.#revision(repository ?? "", commitOf(seen.url))?.files[decodeURIComponent(path ?? "")];
    if (file === undefined) {
      response.writeHead(403).end("expired");
      return;
    }
    this.#sendFile(file, `"${cdnEtag(file)}"`, {}, seen, response, fault);
  }

  #serveHub(seen: SeenRequest, request: IncomingMessage, response: ServerResponse, fault: Fault): void {
    const api = /^\/api\/models\/([^/]+\/[^/?]+)(?:\/(revision|tree|paths-info)\/([^/?]+))?/.exec(seen.url);
    const resolve = RESOLVE.exec(seen.url) ?? RESOLVE_CACHE.exec(seen.url);
    const name = api?.[1] ?? resolve?.[1] ?? "";
    const revision = decodeURIComponent(api?.[3] ?? resolve?.[2] ?? "main");
    const repository = this.repositories[name];
    if (seen.authorization !== undefined && seen.authorization !== `Bearer ${TOKEN}`) {
      refuse(response, 401, "", "Invalid credentials in Authorization header");
      return;
    }
    const isKnown = seen.authorization !== undefined;
    if (repository === undefined || (repository.private && !isKnown)) {
      refuse(response, isKnown ? 404 : 401, "RepoNotFound", "Repository not found");
      return;
    }
    if (repository.renamedTo) {
      response.writeHead(307, { Location: seen.url.replace(name, repository.renamedTo) }).end();
      return;
    }
    if (repository.disabled) {
      refuse(response, 403, "", "Access to this resource is disabled.");
      return;
    }
    const at = this.#revision(name, revision);
    if (at === undefined) {
      refuse(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
      return;
    }
    if (api?.[2] === "paths-info") {
      void this.#sendPathsInfo(at, request, response);
      return;
    }
    if (api?.[2] === "tree") {
      this.#sendTree(at, seen, response);
      return;
    }
    if (api) {
      this.#sendInfo(name, at, response);
      return;
    }
    if (repository.gated && !isKnown) {
      refuse(response, 401, "GatedRepo", "Access to this model is restricted.");
      return;
    }
    if (repository.gated) {
      refuse(response, 403, "GatedRepo", "Access to this model is restricted.");
      return;
    }
    this.#sendResolved(name, at, decodeURIComponent(resolve?.[3] ?? ""), seen, response, fault);
  }

  #revision(name: string, revision: string): FakeRepository | undefined {
    const main = this.repositories[name];
    if (main === undefined) return undefined;
    const all = [main, ...Object.values(main.revisions ?? {})];
    if (revision === "main" || revision === "HEAD") return main;
    return main.revisions?.[revision] ?? all.find((each) => commitId(each) === revision);
  }

  #sendInfo(name: string, at: FakeRepository, response: ServerResponse): void {
    sendJson(response, {
      _id: "000000000000000000000000",
      id: name,
      sha: commitId(at),
      private: at.private ?? false,
      gated: at.gated ? "manual" : false,
      disabled: false,
      downloads: 1,
      likes: 1,
      lastModified: "2025-01-01T00:00:00.000Z",
      siblings: Object.keys(at.files).map((rfilename) => ({ rfilename })),
    });
  }

  async #sendPathsInfo(at: FakeRepository, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += chunk;
    const { paths } = JSON.parse(text) as { paths: string[] };
    const there = paths.flatMap((path) => {
      const content = at.files[path];
      return content === undefined ? [] : { ...treeEntry(at, path, content), lastCommit: lastCommit(at) };
    });
    sendJson(response, there);
  }

  #sendTree(at: FakeRepository, seen: SeenRequest, response: ServerResponse): void {
    const url = new URL(seen.url, this.endpoint);
    const start = Number(url.searchParams.get("cursor") ?? 0);
    const directories = new Set(
      Object.keys(at.files).flatMap((path) => (path.includes("/") ? [path.split("/")[0]] : [])),
    );
    const entries = [
      ...[...directories].map((path) => ({ type: "directory", oid: "0".repeat(40), size: 0, path })),
      ...Object.entries(at.files).map(([path, content]) => treeEntry(at, path, content)),
      ...(at.extraEntries ?? []),
    ];
    const headers: Record<string, string> = {};
    if (start + PAGE < entries.length) {
      url.searchParams.set("cursor", String(start + PAGE));
      headers.Link = `<${url.href}>; rel="next"`;
    }
    sendJson(response, entries.slice(start, start + PAGE), headers);
  }

  #sendResolved(
    name: string,
    at: FakeRepository,
    path: string,
    seen: SeenRequest,
    response: ServerResponse,
    fault: Fault,
  ): void {
    const content = at.files[path];
    if (content === undefined) {
      refuse(response, 404, "EntryNotFound", "Entry not found");
      return;
    }
    const commit = { "X-Repo-Commit": commitId(at) };
    if (!isLarge(at, path) && !seen.url.startsWith("/api/resolve-cache/")) {
      // Small files come from a cache on the same host, by a redirect without a host in it.
      const place = `/api/resolve-cache/models/${name}/${commitId(at)}/${encodeURIComponent(path)}?etag=%22x%22`;
      const etag = `"${gitBlobId(content)}"`;
      response.writeHead(307, { ...commit, Location: place, ETag: etag, "X-Linked-Size": content.length }).end();
      return;
    }
    if (!isLarge(at, path)) {
      this.#sendFile(content, `"${gitBlobId(content)}"`, commit, seen, response, fault);
      return;
    }
    response.writeHead(302, {
      ...commit,
      Location: `${this.cdn}/blob/${name}/${commitId(at)}/${encodeURIComponent(path)}?signature=abc`,
      "X-Linked-Etag": `"${sha256(content)}"`,
      "X-Linked-Size": String(content.length),
    });
    response.end();
  }

  #sendFile(
    content: Buffer,
    etag: string,
    more: Record<string, string>,
    { range, method }: SeenRequest,
    response: ServerResponse,
    fault: Fault,
  ): void {
    const onSent = (bytes: number) => {
      this.sentBytes += bytes;
    };
    const { bytesPerSecond } = this;
    void sendFile(response, {
      content,
      range,
      method,
      headers: { ...more, ETag: etag },
      fault,
      bytesPerSecond,
      onSent,
    });
  }
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function fileOf(url: string): string | undefined {
  const match =
    RESOLVE_CACHE.exec(url)?.slice(2) ??
    /\/resolve\/[^/]+\/([^?]+)/.exec(url) ??
    /^\/blob\/[^/]+\/[^/]+\/[^/]+\/([^?]+)/.exec(url);
  return match?.[1] && decodeURIComponent(match[1]);
}

function commitOf(url: string): string {
  return /^\/blob\/[^/]+\/[^/]+\/([^/]+)\//.exec(url)?.[1] ?? "";
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, {
    "Content-Type": "application/json",
    "X-Error-Message": message,
    ...(code && { "X-Error-Code": code }),
  });
  response.end(JSON.stringify({ error: message }));
}

function sendJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "Content-Type": "application/json; charset=utf-8", ...headers });
  response.end(JSON.stringify(value));
}

function treeEntry(at: FakeRepository, path: string, content: Buffer): object {
  const size = at.listedSizes?.[path] ?? content.length;
  const entry = { type: "file", oid: gitBlobId(content), size, path };
  return isLarge(at, path) ? { ...entry, lfs: { oid: sha256(content), size, pointerSize: 134 } } : entry;
}

function lastCommit(at: FakeRepository): object {
  return { id: commitId(at), title: "upload", date: "2025-01-01T00:00:00.000Z" };
}

function isLarge(at: FakeRepository, path: string): boolean {
  return at.large?.includes(path) ?? path.endsWith(".safetensors");
}

/** A commit id that changes with the content. */
export function commitId(at: Pick<FakeRepository, "files" | "commit">): string {
  if (at.commit) return at.commit;
  const tree = Object.entries(at.files).map(([path, content]) => `${path} ${sha256(content)}`);
  return createHash("sha1").update(tree.join("\n")).digest("hex");
}

export function sha256(content: Buffer): string {
  return remembered(content, "sha256", () => createHash("sha256").update(content).digest("hex"));
}

export function gitBlobId(content: Buffer): string {
  const hash = () => createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  return remembered(content, "git", hash);
}

const hashes = new WeakMap<Buffer, Map<string, string>>();

/** Large contents are hashed once, not for each answer. */
function remembered(content: Buffer, type: string, hash: () => string): string {
  const known = hashes.get(content) ?? new Map<string, string>();
  hashes.set(content, known);
  const value = known.get(type) ?? hash();
  known.set(type, value);
  return value;
}

/** An ETag that is no hash of the content in any way that a client could know. */
function cdnEtag(content: Buffer): string {
  return sha256(content).slice(0, 32);
}
