import { join } from "node:path";

/** Beside chat_template.jinja: the template for requests with tools, as transformers 5 writes it. Relative to the model. */
export const TOOL_TEMPLATE_FILE = join("additional_chat_templates", "tool_use.jinja");
