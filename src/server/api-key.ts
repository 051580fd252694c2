import { createHash, timingSafeEqual } from "node:crypto";
import { HttpError } from "./http-error.js";

/** @throws HttpError 401 unless the request has `Authorization: Bearer <apiKey>`. */
export function checkApiKey(request: Request, apiKey: string): void {
  const given = /^Bearer +(.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (given === undefined) throw refused("This server needs an API key: send it as 'Authorization: Bearer KEY'.");
  if (!timingSafeEqual(digest(given), digest(apiKey))) throw refused("The API key is not the one of this server.");
}

/** Of one length whatever the key's, so that the comparison tells nothing by its time. */
function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

function refused(message: string): HttpError {
  return new HttpError(401, message, { code: "invalid_api_key", headers: { "www-authenticate": "Bearer" } });
}
