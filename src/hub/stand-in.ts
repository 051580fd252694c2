/**
 * A stand-in for a model that is not here: its small files, and of its weights the headers, at the start of files that
 * are as long as the real ones and hold nothing else. It opens as the model would, and costs some hundred kilobytes.
 */
import { open, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PunieError } from "../errors.js";
import { makeDirectory } from "../make-directory.js";
import { inspectModel } from "../models/completeness.js";
import { errorCode } from "../models/system-error.js";
import type { DownloadOptions } from "./download-options.js";
import { offlineError, type Session, withSession } from "./download-session.js";
import type { HubFile } from "./hub-client.js";
import { planFiles } from "./plan-files.js";

export interface StandIn {
  repository: string;
  commit: string;
  /** Of all files that a download would bring, and of those that are still to come. */
  totalBytes: number;
  fetchBytes: number;
  /** Bytes of files that were fetched for the stand-in. */
  peekedBytes: number;
  hasTokenizer: boolean;
}

/** Read whole; the vocabulary, which has megabytes, is not. */
const SMALL_FILES =
  /^(config|generation_config|tokenizer_config|special_tokens_map|chat_template|model\.safetensors\.index)\.json$|^chat_template\.jinja$/;
const MAX_SMALL_BYTES = 32 * 1024 * 1024;
/** Asked for at first: most headers are shorter, and one answer is enough. */
const FIRST_BYTES = 64 * 1024;
/** A hundred thousand tensors have less. */
const MAX_HEADER_BYTES = 32 * 1024 * 1024;
const LENGTH_BYTES = 8;
/** Of all files together: a model of a thousand shards has a tenth of it. */
const MAX_PEEKED_BYTES = 256 * 1024 * 1024;

/**
 * @param directory Empty.
 * @throws PunieError what the Hub's answers say; `HUB_CORRUPT` for files that are larger than they may be; the signal's
 * reason.
 */
export async function makeStandIn(name: string, directory: string, options: DownloadOptions = {}): Promise<StandIn> {
  return await withSession(name, options, async (session) => {
    if (session.isOffline) throw offlineError(session.repository);
    const { commit } = await session.client().info();
    const plan = await planFiles(session, commit, await inspectModel(session.directory));
    let peekedBytes = 0;
    for (const file of plan.files) {
      if (SMALL_FILES.test(file.path)) peekedBytes += await bringSmall(session, commit, file, directory);
      else if (/^[^/]+\.safetensors$/.test(file.path))
        peekedBytes += await bringHeader(session, commit, file, directory);
      if (peekedBytes > MAX_PEEKED_BYTES) throw tooLarge(session, "what is read of it", peekedBytes, MAX_PEEKED_BYTES);
    }
    return {
      repository: session.repository,
      commit,
      totalBytes: plan.totalBytes,
      fetchBytes: plan.totalBytes - plan.haveBytes,
      peekedBytes,
      hasTokenizer: plan.files.some(({ path }) => path === "tokenizer.json"),
    };
  });
}

async function bringSmall(session: Session, commit: string, file: HubFile, directory: string): Promise<number> {
  if (file.size > MAX_SMALL_BYTES) throw tooLarge(session, file.path, file.size, MAX_SMALL_BYTES);
  const text = await session.client().peek(commit, file.path, MAX_SMALL_BYTES);
  await writeFile(join(directory, file.path), text);
  return Buffer.byteLength(text);
}

async function bringHeader(session: Session, commit: string, file: HubFile, directory: string): Promise<number> {
  const client = session.client();
  const first = await client.peekRange(commit, file, 0, Math.min(FIRST_BYTES, file.size));
  const length = first.length < LENGTH_BYTES ? 0 : Number(first.readBigUInt64LE());
  const end = Math.min(LENGTH_BYTES + length, file.size);
  // What is no header is left to the reader to name.
  const isHeader = end <= MAX_HEADER_BYTES;
  const rest =
    isHeader && end > first.length ? await client.peekRange(commit, file, first.length, end) : Buffer.alloc(0);
  const path = join(directory, file.path);
  await makeDirectory(dirname(path));
  const handle = await open(path, "wx");
  try {
    await handle.write(first, 0, first.length, 0);
    await handle.write(rest, 0, rest.length, first.length);
    await handle.truncate(file.size);
  } catch (cause) {
    // No disk has room for such a file, though it would hold nothing.
    if (errorCode(cause) !== "EFBIG") throw cause;
    throw new PunieError("HUB_CORRUPT", `'${session.repository}': ${file.path} can't have ${file.size} bytes.`, {
      cause,
    });
  } finally {
    await handle.close();
  }
  return first.length + rest.length;
}

function tooLarge({ repository }: Session, what: string, bytes: number, limit: number): PunieError {
  return new PunieError("HUB_CORRUPT", `'${repository}': ${what} would be ${bytes} bytes, more than ${limit}.`);
}
