/** The handler behind a socket. */
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { PunieError } from "../errors.js";
import type { Handler } from "./create-handler.js";

export interface Listening {
  /** Without a slash at its end. */
  url: string;
  port: number;
  /** Takes no more requests, and waits for those that run; connections that are left after a grace are cut. */
  close(): Promise<void>;
}

/** Long enough for an answer that was stopped to tell its client so. */
const CLOSE_GRACE_MS = 1_000;

export interface ListenOptions {
  host: string;
  /** 0 takes any free one. */
  port: number;
  /** Told of what befalls the server while it listens, such as connections that the system has no handles left for. */
  onError?: (error: Error) => void;
}

/**
 * @throws PunieError `INVALID_OPTION` when the address can't be listened at.
 */
export async function listen(handler: Handler, { host, port, onError }: ListenOptions): Promise<Listening> {
  // Not `fetch: handler`: it is handed Node's own objects as a second argument.
  const fetch = (request: Request) => handler(request);
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, port)));
    server.listen(port, host, resolve);
  });
  // Without a listener the error would end the process, and all requests with it.
  server.removeAllListeners("error").on("error", (error: Error) => onError?.(error));
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound}`,
    port: bound,
    close: () => close(server),
  };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    // Called with an error only when the server isn't open: then there is nothing to wait for.
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

const REASONS: Record<string, string> = {
  EADDRINUSE: "something else listens there already. Stop it, or choose another port with --port",
  EACCES: "that is not allowed. Choose a port above 1023 with --port",
  EADDRNOTAVAIL: "this machine has no such address. Choose one of its own with --host",
  ENOTFOUND: "no such host is known. Choose an address of this machine with --host",
};

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): PunieError {
  const reason = REASONS[error.code ?? ""] ?? error.message;
  return new PunieError("INVALID_OPTION", `Can't listen on ${host}, port ${port}: ${reason}.`, { cause: error });
}
