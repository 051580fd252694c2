/** How the fake Hub sends a file, or fails to. */
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** How an answer goes wrong. */
export interface Fault {
  status?: number;
  headers?: Record<string, string>;
  /** Instead of the true body. */
  body?: string | Buffer;
  /** The connection is cut after so many bytes of the body. */
  cutAfter?: number;
  /** As `cutAfter`, by a reset: what is on its way is lost. */
  resetAfter?: number;
  /** After so many bytes of the body nothing more comes. */
  stallAfter?: number;
  /** After so many bytes of the body one comes now and then. */
  dripAfter?: number;
  /** One byte in the middle of the body is another. */
  corrupt?: boolean;
  /** The whole file comes, whatever range was asked for. */
  ignoreRange?: boolean;
  /** Bytes that come after the end of the body, whose length isn't told then. */
  extraBytes?: number;
}

export interface Sending {
  content: Buffer;
  range: string | undefined;
  method: string;
  headers: Record<string, string>;
  fault: Fault;
  /** Bytes a second of each connection. Default: as fast as it can. */
  bytesPerSecond: number | undefined;
  onSent: (bytes: number) => void;
}

const PIECE_BYTES = 64 * 1024;
const DRIP_MS = 10;

export async function sendFile(response: ServerResponse, sending: Sending): Promise<void> {
  const { content, fault, method, headers } = sending;
  const match = fault.ignoreRange ? null : /^bytes=(\d+)-(\d*)$/.exec(sending.range ?? "");
  const start = match ? Number(match[1]) : 0;
  const end = Math.min(content.length, match?.[2] ? Number(match[2]) + 1 : content.length);
  if (match && start >= content.length) {
    response.writeHead(416, { "Content-Range": `bytes */${content.length}` }).end();
    return;
  }
  response.writeHead(match ? 206 : 200, {
    ...headers,
    "Accept-Ranges": "bytes",
    "Content-Type": "application/octet-stream",
    ...(fault.extraBytes === undefined && { "Content-Length": end - start }),
    ...(match && { "Content-Range": `bytes ${start}-${end - 1}/${content.length}` }),
    ...fault.headers,
  });
  if (method === "HEAD") response.end();
  else await sendBody(response, content.subarray(start, end), sending);
}

async function sendBody(response: ServerResponse, sound: Buffer, sending: Sending): Promise<void> {
  const { fault } = sending;
  const body = fault.corrupt ? corrupted(sound) : sound;
  const stop = fault.cutAfter ?? fault.resetAfter ?? fault.stallAfter ?? fault.dripAfter ?? body.length;
  await write(response, body.subarray(0, stop), sending);
  if (stop < body.length) return await fail(response, body.subarray(stop), sending);
  if (fault.extraBytes) await write(response, Buffer.alloc(fault.extraBytes), sending);
  response.end();
}

function corrupted(sound: Buffer): Buffer {
  const body = Buffer.from(sound);
  if (body.length > 0) body.writeUInt8(body.readUInt8(body.length >> 1) ^ 1, body.length >> 1);
  return body;
}

async function fail(response: ServerResponse, rest: Buffer, { fault, onSent }: Sending): Promise<void> {
  if (fault.resetAfter !== undefined) return void response.socket?.resetAndDestroy();
  // What was written goes out before the end: a cut connection loses nothing that came before.
  if (fault.cutAfter !== undefined) return void response.socket?.end();
  if (fault.dripAfter === undefined) return;
  for (const byte of rest) {
    if (response.destroyed) return;
    response.write(Buffer.of(byte));
    onSent(1);
    await sleep(DRIP_MS);
  }
}

/** In pieces, as the connection takes them: what the client doesn't want isn't sent. */
async function write(response: ServerResponse, body: Buffer, { bytesPerSecond, onSent }: Sending): Promise<void> {
  response.flushHeaders();
  const startedAt = performance.now();
  for (let at = 0; at < body.length && !response.destroyed; at += PIECE_BYTES) {
    const piece = body.subarray(at, at + PIECE_BYTES);
    if (!response.write(piece)) await drained(response);
    onSent(piece.length);
    if (bytesPerSecond !== undefined) {
      await sleep(Math.max(0, ((at + piece.length) / bytesPerSecond) * 1000 - (performance.now() - startedAt)));
    }
  }
}

async function drained(response: ServerResponse): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}
