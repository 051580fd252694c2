import type { ServerContext } from "../context.js";
import { HttpError } from "../http-error.js";

/** `GET /v1/models`: the one model that this server has. */
export function listModels(_request: Request, context: ServerContext): Response {
  return Response.json({ object: "list", data: [describeModel(context)] });
}

/** `GET /v1/models/NAME` */
export function showModel(request: Request, context: ServerContext): Response {
  checkModelName(unescaped(new URL(request.url).pathname.slice("/v1/models/".length)), context);
  return Response.json(describeModel(context));
}

/** As it stands where it isn't escaped well: then it names no model either. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function describeModel({ modelNames, created }: ServerContext) {
  return { id: modelNames[0], object: "model", created, owned_by: "punie" };
}

/** @throws HttpError 404 for a model that isn't the one served; `local` is whatever that is. */
export function checkModelName(name: string, { modelNames }: ServerContext): void {
  const plain = name.replace(/^local:/, "");
  if (name === "local" || modelNames.includes(plain)) return;
  throw new HttpError(404, `The model ${JSON.stringify(name)} is not served here; '${modelNames[0]}' is.`, {
    param: "model",
    code: "model_not_found",
  });
}
