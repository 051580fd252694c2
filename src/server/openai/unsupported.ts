/** Fields that mean something to OpenAI's API and that this server can't honour: refused, never quietly ignored. */
import { badField } from "../http-error.js";
import type { ChatBody } from "./chat-schema.js";

/** What to say when the body asks for it; undefined when it doesn't. */
const REFUSALS: Partial<Record<keyof ChatBody, (body: ChatBody) => string | undefined>> = {
  n: ({ n }) => unless((n ?? 1) === 1, "only one choice per request is supported: send n = 1, or the request again"),
  response_format: ({ response_format }) =>
    unless((response_format?.type ?? "text") === "text", "only {type: 'text'} is supported: structured output is not"),
  tool_choice: ({ tool_choice: choice }) =>
    unless(
      choice == null || choice === "auto" || choice === "none",
      "only 'auto' and 'none' are supported: a call can't be forced",
    ),
  parallel_tool_calls: ({ parallel_tool_calls }) =>
    unless(parallel_tool_calls !== false, "false is not supported: the model decides how many tools it calls"),
  modalities: ({ modalities }) =>
    unless(
      (modalities ?? ["text"]).every((modality) => modality === "text"),
      "only 'text' is supported",
    ),
  store: ({ store }) => unless(!store, "true is not supported: this server stores nothing"),
  stream_options: ({ stream, stream_options }) =>
    unless(!stream_options || stream === true, "allowed only with stream: true"),
  top_logprobs: ({ logprobs, top_logprobs }) =>
    unless(top_logprobs == null || logprobs === true, "allowed only with logprobs: true"),
  functions: ({ functions }) => unless(functions == null, "not supported: send tools"),
  function_call: ({ function_call }) => unless(function_call == null, "not supported: send tool_choice"),
  audio: ({ audio }) => unless(audio == null, "not supported: this model writes text only"),
  web_search_options: ({ web_search_options }) =>
    unless(web_search_options == null, "not supported: nothing is searched"),
  reasoning_effort: ({ reasoning_effort }) => unless(reasoning_effort == null, "not supported by this model"),
  verbosity: ({ verbosity }) => unless(verbosity == null, "not supported by this model"),
};

function unless(fine: boolean, message: string): string | undefined {
  return fine ? undefined : message;
}

/** @throws HttpError 400 that names the field. */
export function refuseUnsupported(body: ChatBody): void {
  for (const [field, refusal] of Object.entries(REFUSALS)) {
    const message = refusal(body);
    if (message !== undefined) throw badField(field, `${field}: ${message}.`);
  }
}
