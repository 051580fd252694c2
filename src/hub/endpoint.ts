import { PunieError } from "../errors.js";
import type { Environment } from "../models/places.js";

const HUGGING_FACE = "https://huggingface.co";

/**
 * The Hub's address, without a slash at its end: `HF_ENDPOINT`, else Hugging Face's own.
 *
 * @throws PunieError `INVALID_OPTION` when HF_ENDPOINT is no http(s) URL.
 */
export function hubEndpoint(env: Environment): string {
  const text = (env.HF_ENDPOINT || HUGGING_FACE).trim().replace(/\/+$/, "");
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url && !url.username && !url.password && !url.search && !url.hash;
  if (plain && (url.protocol === "https:" || url.protocol === "http:")) return text;
  throw new PunieError("INVALID_OPTION", `HF_ENDPOINT: expected an http or https URL, got ${JSON.stringify(text)}.`);
}

/** True when `HF_HUB_OFFLINE` asks that the Hub is never contacted. */
export function isOffline(env: Environment): boolean {
  return ["1", "on", "yes", "true"].includes((env.HF_HUB_OFFLINE ?? "").toLowerCase());
}
