/**
 * Keeps web pages from driving a server on this machine. A page of another site sends its own Origin; one whose name
 * was pointed at 127.0.0.1 after it was loaded (DNS rebinding) sends its own name as Host.
 */
import { isIP } from "node:net";
import { HttpError } from "./http-error.js";

/** @throws HttpError 403 when the Host is none of ours, or the Origin is not that Host. */
export function checkHostAndOrigin(request: Request, allowedHosts: readonly string[]): void {
  const host = request.headers.get("host");
  // In process there is no Host header; over HTTP/1.1 Node insists on one.
  if (host !== null && !isAllowedHost(host, allowedHosts)) {
    throw new HttpError(
      403,
      `Host ${JSON.stringify(host)} is not one this server answers for. Use its address, or start it with --allow-host.`,
      { code: "host_not_allowed" },
    );
  }
  const origin = request.headers.get("origin");
  if (origin !== null && hostOf(origin) !== hostOf(host === null ? request.url : `http://${host}`)) {
    throw new HttpError(403, `A page of ${JSON.stringify(origin)} may not use this server.`, {
      code: "origin_not_allowed",
    });
  }
}

function isAllowedHost(header: string, allowedHosts: readonly string[]): boolean {
  // Only a name and a port: to `URL`, "evil@localhost" and "localhost/x" are localhost too.
  const name = /[/\\?#@]/.test(header) ? undefined : parse(`http://${header}`)?.hostname;
  return name !== undefined && (isLoopback(name) || allowedHosts.some((allowed) => normalName(allowed) === name));
}

/** `localhost` and what lies under it, 127.0.0.0/8 and ::1: browsers resolve none of them by DNS (RFC 6761). */
function isLoopback(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "[::1]" || /^127(\.\d+){3}$/.test(name);
}

/** As `URL` writes a host: lower case, IPv6 in brackets. */
function normalName(host: string): string | undefined {
  return parse(`http://${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}`)?.hostname;
}

/** Whether it is a name or an address alone, without scheme, port or path. */
export function isHostName(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  return !/[/\\?#@]/.test(host) && (!bare.includes(":") || isIP(bare) !== 0) && normalName(host) !== undefined;
}

function hostOf(url: string): string | undefined {
  return parse(url)?.host;
}

function parse(url: string): URL | undefined {
  return URL.canParse(url) ? new URL(url) : undefined;
}
