import { EnvHttpProxyAgent, fetch as undiciFetch } from "undici";

/** Connections of one download, and a few for what is asked of the Hub beside. */
const MAX_CONNECTIONS_PER_HOST = 16;
const CONNECT_TIMEOUT_MS = 15_000;

/** A fetch through the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, and what closes its connections. */
export function createFetch(): { fetch: typeof fetch; close: () => Promise<void> } {
  const agent = new EnvHttpProxyAgent({
    connections: MAX_CONNECTIONS_PER_HOST,
    connect: { timeout: CONNECT_TIMEOUT_MS },
  });
  const viaAgent = (input: string | URL, init?: object) => undiciFetch(input, { ...init, dispatcher: agent });
  // undici's types of the same web interfaces are its own.
  return { fetch: viaAgent as unknown as typeof fetch, close: () => agent.destroy() };
}
