/**
 * A Hub on loopback that is made to be fast: one model of large files, sent from memory, at most at a given rate over all
 * connections. Run as a process of its own: `download-server.mjs FILES MEGABYTES BITS_PER_SECOND` (0: no limit), it prints
 * its address. What clients ask of it has the shapes of the real one: see tests/helpers/fake-hub.ts, which is complete.
 */
import { createHash, randomFillSync } from "node:crypto";
import { createServer } from "node:http";

const MIB = 1024 * 1024;
const NAME = "bench/model";
const COMMIT = "b".repeat(40);
const PIECE_BYTES = 256 * 1024;
const TICK_MS = 5;

const [fileCount, megabytes, bitsPerSecond] = process.argv.slice(2).map(Number);
const pace = createPace(bitsPerSecond / 8);
const files = makeFiles();

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://bench");
  const file = files.get(decodeURIComponent(url.pathname.split("/").at(-1)));
  if (url.pathname.startsWith(`/${NAME}/resolve/`) && file) return redirect(response, file);
  if (url.pathname.startsWith("/blob/") && file) return await send(request, response, file);
  if (url.pathname.startsWith(`/api/models/${NAME}/tree/`)) return json(response, [...files.values()].map(treeEntry));
  if (url.pathname.startsWith(`/api/models/${NAME}`)) return json(response, modelInfo());
  response.writeHead(404, { "X-Error-Code": "EntryNotFound" }).end();
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${server.address().port}\n`));

/** Each begins with noise of its own and goes on with what they share, so that ten gigabytes fit into memory. */
function makeFiles() {
  const shared = randomFillSync(Buffer.allocUnsafe(megabytes * MIB - MIB));
  const made = new Map();
  for (let i = 1; i <= fileCount; i++) {
    const parts = [randomFillSync(Buffer.allocUnsafe(MIB)), shared];
    const path = `model-${String(i).padStart(5, "0")}-of-${String(fileCount).padStart(5, "0")}.safetensors`;
    made.set(path, large(path, parts));
  }
  const config = Buffer.from('{"model_type":"qwen2"}');
  made.set("config.json", { ...large("config.json", [config]), isLarge: false });
  return made;
}

function large(path, parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const oid = createHash("sha1").update(`blob ${size}\0`);
  for (const part of parts) oid.update(part);
  return { path, parts, size, sha256: hash.digest("hex"), oid: oid.digest("hex"), isLarge: true };
}

function treeEntry({ path, size, sha256, oid, isLarge }) {
  return { type: "file", path, size, oid, ...(isLarge && { lfs: { oid: sha256, size, pointerSize: 134 } }) };
}

function modelInfo() {
  const siblings = [...files.keys()].map((rfilename) => ({ rfilename }));
  return { _id: "0".repeat(24), id: NAME, sha: COMMIT, private: false, gated: false, disabled: false, siblings };
}

function json(response, value) {
  response.writeHead(200, { "Content-Type": "application/json; charset=utf-8" }).end(JSON.stringify(value));
}

function redirect(response, { path, size, sha256, oid, isLarge }) {
  const etag = isLarge ? sha256 : oid;
  response.writeHead(302, {
    Location: `/blob/${path}`,
    "X-Repo-Commit": COMMIT,
    "X-Linked-Etag": `"${etag}"`,
    "X-Linked-Size": size,
    ETag: `"${etag}"`,
  });
  response.end();
}

async function send(request, response, file) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const start = match ? Number(match[1]) : 0;
  const end = match?.[2] ? Math.min(file.size, Number(match[2]) + 1) : file.size;
  response.writeHead(match ? 206 : 200, {
    "Content-Length": end - start,
    "Accept-Ranges": "bytes",
    "X-Repo-Commit": COMMIT,
    ETag: `"${file.isLarge ? file.sha256 : file.oid}"`,
    ...(match && { "Content-Range": `bytes ${start}-${end - 1}/${file.size}` }),
  });
  if (request.method === "HEAD") return response.end();
  for (const piece of pieces(file, start, end)) {
    await pace(piece.length);
    if (response.destroyed) return;
    if (!response.write(piece)) await drained(response);
  }
  response.end();
}

/** Waits until more may be written, or the client is gone. */
async function drained(response) {
  await new Promise((resolve) => {
    const done = () => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

function* pieces({ parts }, start, end) {
  let offset = 0;
  for (const part of parts) {
    for (let at = Math.max(0, start - offset); at < Math.min(part.length, end - offset); at += PIECE_BYTES) {
      yield part.subarray(at, Math.min(at + PIECE_BYTES, part.length, end - offset));
    }
    offset += part.length;
  }
}

/** A token bucket over all connections; what a tick didn't use is gone after a few. */
function createPace(bytesPerSecond) {
  if (!(bytesPerSecond > 0)) return async () => {};
  let paidUntil = performance.now();
  return async (bytes) => {
    const now = performance.now();
    paidUntil = Math.max(now - TICK_MS, paidUntil) + (bytes / bytesPerSecond) * 1000;
    if (paidUntil - now > TICK_MS) await new Promise((resolve) => setTimeout(resolve, paidUntil - now));
  };
}
