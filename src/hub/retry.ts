import { setTimeout as sleep } from "node:timers/promises";
import { PunieError } from "../errors.js";
import { TransientError } from "./transient-error.js";

export interface RetryPolicy {
  /** Tries of one request in all, or of one connection without progress. */
  attempts: number;
  /** Longest wait before the second try; doubles with each. */
  baseMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 6, baseMs: 500 };

const MAX_WAIT_MS = 30_000;
/** A server may ask for more patience than we choose ourselves, within reason. */
const MAX_RETRY_AFTER_MS = 300_000;

/** How long to wait after the `failures`th failure in a row: at random up to a bound that doubles, or as asked. */
export function backoffMs(policy: RetryPolicy, failures: number, error: TransientError): number {
  if (error.retryAfterMs !== undefined) return Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS);
  const bound = Math.min(MAX_WAIT_MS, policy.baseMs * 2 ** (failures - 1));
  // At least half of it: many clients that fail together spread out, and none hammers.
  return bound / 2 + (Math.random() * bound) / 2;
}

/** Waits, or rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch {
    signal.throwIfAborted();
  }
}

/** Tells of a wait before the next try. */
export type OnRetry = (reason: string, waitMs: number) => void;

/**
 * Calls `attempt` until it doesn't fail with a `TransientError`, or the tries are used up.
 *
 * @throws PunieError with the transient error's code; any other error as it is.
 */
export async function withRetries<Result>(
  attempt: () => Promise<Result>,
  policy: RetryPolicy,
  signal: AbortSignal,
  onRetry: OnRetry,
): Promise<Result> {
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      if (failures >= policy.attempts) throw givenUp(error);
      const waitMs = backoffMs(policy, failures, error);
      onRetry(error.message, waitMs);
      await pause(waitMs, signal);
    }
  }
}

/** The coded error for a transient one that didn't pass. */
export function givenUp(error: TransientError): PunieError {
  const advice =
    error.code === "HUB_UNREACHABLE"
      ? " Check the network (HTTPS_PROXY, HF_ENDPOINT) and run the same command again: what has come is kept."
      : " Run the same command again later.";
  return new PunieError(error.code, `The Hub can't be reached or answers wrongly: ${error.message}.${advice}`, {
    cause: error,
  });
}

/** The wait that a `Retry-After` header asks for, in seconds or as a date. */
export function retryAfterMs(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
