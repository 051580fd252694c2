import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { createSecureContext, rootCertificates, type SecureContext } from "node:tls";
import type { buildConnector as BuildConnector, Dispatcher } from "undici";
import connect from "undici/lib/api/api-connect.js";
import buildConnector from "undici/lib/core/connect.js";
import BareDispatcher from "undici/lib/dispatcher/dispatcher.js";
import EnvHttpProxyAgent from "undici/lib/dispatcher/env-http-proxy-agent.js";
import { PunieError } from "../errors.js";
import type { Environment } from "../models/places.js";
import { BodyQueue } from "./body-queue.js";
import type { HttpFetch, HttpRequest, HttpResponse } from "./http.js";
import { ProxyError } from "./transient-error.js";

// As undici's entry does it, with five more: a proxy's tunnel is made with it.
BareDispatcher.prototype.connect = connect;

/** Connections of one download, and a few for what is asked of the Hub beside. */
const MAX_CONNECTIONS_PER_HOST = 16;
const CONNECT_TIMEOUT_MS = 15_000;
/** A server that counts its clients, or helps one, wants to know who asks. */
const USER_AGENT = "punie";

/** Files of certificates to trust beside the usual ones, by the names that OpenSSL, Python and curl know. */
const CA_VARIABLES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
/** Node reads this itself, unless it is told what to trust. */
const NODE_CA_VARIABLE = "NODE_EXTRA_CA_CERTS";

/**
 * An HTTP client that goes through the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` (in lower case too) and
 * trusts the certificates of `NODE_EXTRA_CA_CERTS`, `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE`; and what
 * closes its connections.
 *
 * @throws PunieError `INVALID_OPTION` for a proxy that is no URL, or a file of certificates that can't be read.
 */
export function createFetch(env: Environment = process.env): { fetch: HttpFetch; close: () => Promise<void> } {
  const tls = trust(env);
  const [httpProxy, httpsProxy] = [proxy(env, "HTTP_PROXY"), proxy(env, "HTTPS_PROXY")];
  const isProxied = httpProxy !== "" || httpsProxy !== "";
  const agent = new EnvHttpProxyAgent({
    connections: MAX_CONNECTIONS_PER_HOST,
    connect: connector(tls),
    // To the Hub through a proxy, and to a proxy that is itself reached by TLS.
    ...(tls && isProxied && { requestTls: tls, proxyTls: tls }),
    httpProxy,
    httpsProxy,
    noProxy: env.no_proxy ?? env.NO_PROXY ?? "",
  });
  const fetch: HttpFetch = async (url, options) => {
    const place = new URL(url);
    try {
      return await send(agent, place, options);
    } catch (error) {
      const ofHttps = place.protocol === "https:" && httpsProxy !== "";
      throw ofHttps ? blamed(error, "HTTPS_PROXY", httpsProxy) : blamed(error, "HTTP_PROXY", httpProxy);
    }
  };
  return { fetch, close: () => agent.destroy() };
}

const DEFAULT_PORTS: Record<string, string> = { "http:": "80", "https:": "443" };

/** A `ProxyError` where it is the proxy that couldn't be reached; else the error as it is. No password is shown. */
function blamed(error: unknown, name: string, proxy: string): unknown {
  const { code, hostname, address, port } = error as {
    code?: string;
    hostname?: string;
    address?: string;
    port?: number;
  };
  if (proxy === "" || code === undefined) return error;
  const { protocol, hostname: host, port: given } = new URL(proxy);
  const isIts =
    hostname === host ||
    (String(port) === (given || DEFAULT_PORTS[protocol]) && (isIP(host) === 0 || address === host));
  if (!isIts) return error;
  return new ProxyError(`the proxy ${host}${given && `:${given}`} (${name}): ${code}`, { cause: error });
}

function send(agent: Dispatcher, url: URL, { headers, signal }: HttpRequest): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    let body: BodyQueue | undefined;
    let onAbort = () => reject(signal?.reason);
    const stopListening = () => signal?.removeEventListener("abort", onAbort);
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: (controller) => {
        stopListening();
        onAbort = () => controller.abort(signal?.reason);
        if (signal?.aborted) onAbort();
        else signal?.addEventListener("abort", onAbort, { once: true });
      },
      onResponseStart: (controller, status, fields) => {
        // An interim answer: the true one follows.
        if (status < 200) return;
        body = new BodyQueue({
          pause: () => controller.pause(),
          resume: () => controller.resume(),
          abort: () => controller.abort(new Error("nobody reads it")),
        });
        const get = (name: string) => text(fields[name.toLowerCase()]);
        resolve({ status, ok: status < 300, headers: { get }, body });
      },
      onResponseData: (_controller, piece) => body?.push(piece),
      onResponseEnd: () => {
        stopListening();
        body?.end();
      },
      onResponseError: (_controller, error) => {
        stopListening();
        reject(error);
        body?.end(error);
      },
    };
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    const path = url.pathname + url.search;
    agent.dispatch(
      { origin: url.origin, path, method: "GET", headers: { "User-Agent": USER_AGENT, ...headers } },
      handler,
    );
  });
}

function text(value: string | string[] | undefined): string | null {
  return value === undefined ? null : [value].flat().join(", ");
}

const PROXY_PROTOCOLS = new Set(["http:", "https:", "socks5:", "socks:"]);

/** Empty, for undici, where there is none: undefined would have it look at the process's own environment. */
function proxy(env: Environment, name: "HTTP_PROXY" | "HTTPS_PROXY"): string {
  const url = env[name.toLowerCase()] || env[name] || "";
  // A password may stand in it: the message doesn't show it.
  if (url === "" || (URL.canParse(url) && PROXY_PROTOCOLS.has(new URL(url).protocol))) return url;
  throw new PunieError("INVALID_OPTION", `${name}: expected the URL of a proxy, such as http://proxy:3128.`);
}

interface Trust {
  secureContext: SecureContext;
}

/** Made once and not before it is asked for: it takes a tenth of a second, and plain HTTP has no use for it. */
function trust(env: Environment): Trust | undefined {
  if (!CA_VARIABLES.some((name) => env[name])) return undefined;
  const files = new Map<string, string>();
  for (const name of [NODE_CA_VARIABLE, ...CA_VARIABLES]) if (env[name]) files.set(env[name], name);
  const given = [...files].map(([file, name]) => readCertificates(file, name));
  let made: SecureContext | undefined;
  return {
    get secureContext() {
      made ??= createSecureContext({ ca: [...rootCertificates, ...given] });
      return made;
    },
  };
}

function connector(tls: Trust | undefined): BuildConnector.connector {
  const plain = buildConnector({ timeout: CONNECT_TIMEOUT_MS });
  if (tls === undefined) return plain;
  let secure: BuildConnector.connector | undefined;
  return (options, callback) => {
    if (options.protocol !== "https:") return plain(options, callback);
    secure ??= buildConnector({ timeout: CONNECT_TIMEOUT_MS, ...tls });
    return secure(options, callback);
  };
}

function readCertificates(file: string, name: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new PunieError("INVALID_OPTION", `${name}: ${file} can't be read (${(cause as { code?: string }).code}).`, {
      cause,
    });
  }
}
