/** Thread entry: renders chat templates, which are programs from strangers. */
import { PunieError } from "../errors.js";
import { serveRequests } from "../worker/serve-requests.js";
import { markNumbers } from "./exact-json.js";
import { renderTemplate, TemplateRaisedError } from "./jinja-python.js";

export interface RenderRequest {
  template: string;
  /** Names the file in messages. */
  source: string;
  /** JSON text: what a template sees is plain data. */
  variables: string;
  /** What `strftime_now` tells, in milliseconds since 1970. */
  now: number;
}

serveRequests<RenderRequest & { id: number }>(({ template, source, variables, now }) => {
  try {
    return { value: renderTemplate(template, markNumbers(variables), new Date(now)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof TemplateRaisedError) {
      throw new PunieError("INVALID_OPTION", `The chat template (${source}) refuses these messages: ${message}`);
    }
    throw new PunieError("MODEL_CORRUPT", `The chat template (${source}) can't be rendered: ${message}`);
  }
}, "INTERNAL");
