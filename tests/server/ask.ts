import type { Handler } from "../../src/server/index.js";

export const ORIGIN = "http://localhost:8000";

/** Posts a chat request with one user message and the given fields. */
export function ask(handler: Handler, fields: object = {}, init: RequestInit = {}): Promise<Response> {
  const body = JSON.stringify({ messages: [{ role: "user", content: "Hi" }], ...fields });
  return handler(`${ORIGIN}/v1/chat/completions`, { method: "POST", body, ...init });
}

export interface ToldError {
  error: { message: string; type: string; param: string | null; code: string | null };
}

export async function toldError(response: Response): Promise<ToldError["error"]> {
  return ((await response.json()) as ToldError).error;
}
