/** Whether the Hub, or whatever HF_ENDPOINT names instead, can be reached. */
import type { HttpFetch } from "../../hub/http.js";
import type { Check } from "./check.js";

/** A proxy that answers at all does so within this. */
const TIMEOUT_MS = 5_000;

/** Opens a connection: with `download-model` the only thing in punie that does. */
export async function checkHub(endpoint: string, fetchHub: HttpFetch, timeoutMs = TIMEOUT_MS): Promise<Check> {
  const values = { endpoint };
  try {
    const startedAt = performance.now();
    const response = await fetchHub(`${endpoint}/api/models?limit=1`, { signal: AbortSignal.timeout(timeoutMs) });
    await response.body?.cancel();
    const ms = Math.round(performance.now() - startedAt);
    const found = `${endpoint} answers ${response.status} after ${ms} ms`;
    if (response.ok) return { name: "hub", status: "ok", found, values: { ...values, status: response.status, ms } };
    const advice = "Is HF_ENDPOINT right, and the way there open? Models that are here run without it.";
    return { name: "hub", status: "warning", found, advice, values: { ...values, status: response.status } };
  } catch (error) {
    const found = `${endpoint} can't be reached: ${reason(error)}`;
    const way =
      (error as Error).name === "ProxyError"
        ? "Is that the proxy?"
        : "Behind a proxy, set HTTPS_PROXY; for a mirror, HF_ENDPOINT.";
    const advice = `Models that are here run without it. ${way}`;
    return { name: "hub", status: "warning", found, advice, values };
  }
}

/** The web's fetch says "fetch failed": what failed is the cause. Of several addresses tried, only the code is told. */
function reason(error: unknown): string {
  const { name, message, cause, code } = error as Error & { code?: string };
  if (name === "TimeoutError") return "no answer in time";
  if ((error as Error).name === "ProxyError") return message;
  return (cause instanceof Error && cause.message) || message || code || name;
}
