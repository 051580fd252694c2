/** What the system holds of connections: sent, and not read yet. */
import { readFileSync } from "node:fs";

const TABLE = "/proc/net/tcp";
/** Columns of `TABLE`, one line a socket (man 5 proc): addresses are `host:port`, queues `sent:received`, all in hexadecimal. */
const LOCAL = 1;
const REMOTE = 2;
const QUEUES = 4;

/**
 * Of the IPv4 connections to servers of this machine, both ends counted.
 *
 * @param servers Their addresses, as `http://127.0.0.1:8080`.
 * @returns Bytes; 0 where the system has no such table.
 */
export function bytesOnTheWay(servers: readonly string[]): number {
  if (process.platform !== "linux") return 0;
  const ports = servers.map((address) => Number(new URL(address).port));
  const sockets = readFileSync(TABLE, "utf8").trim().split("\n").slice(1);
  return sockets
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => ports.includes(portOf(fields[LOCAL])) || ports.includes(portOf(fields[REMOTE])))
    .flatMap((fields) => (fields[QUEUES] ?? "").split(":"))
    .reduce((sum, queue) => sum + Number.parseInt(queue, 16), 0);
}

function portOf(address: string | undefined): number {
  return Number.parseInt(address?.split(":")[1] ?? "", 16);
}
