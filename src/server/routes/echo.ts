import type { ServerContext } from "../context.js";
import { readJson } from "../read-json.js";

/** `POST /echo`: the JSON document that it was sent, byte for byte, to try a client or a proxy with. */
export async function echo(request: Request, context: ServerContext): Promise<Response> {
  const { text } = await readJson(request, context.bodyLimitBytes);
  return new Response(text, { headers: { "content-type": "application/json" } });
}
