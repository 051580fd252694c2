/** The body of `POST /v1/chat/completions`, as far as this server reads it: other fields are dropped unseen. */
import { z } from "zod";

const textPart = z.object({ type: z.literal("text"), text: z.string() });

const content = z.union([z.string(), z.array(textPart), z.null()], {
  error: ({ input }) =>
    Array.isArray(input)
      ? "every part must be {type: 'text', text}: this model takes no images, sound or files"
      : "expected a string, an array of text parts or null",
});

const calledFunction = z.object({
  name: z.string().min(1),
  /** A JSON text; clients that keep what they were given as an object are understood too. */
  arguments: z.union([z.string(), z.record(z.string(), z.unknown())]),
});

const toolCall = z.object({ id: z.string(), type: z.literal("function").nullish(), function: calledFunction });

const message = z.object({
  role: z.enum(["system", "developer", "user", "assistant", "tool"]),
  content: content.optional(),
  reasoning_content: z.string().nullish(),
  tool_calls: z.array(toolCall).nullish(),
  tool_call_id: z.string().nullish(),
});

const tool = z.object({
  type: z.literal("function"),
  function: z.object({
    name: z.string().min(1),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
  }),
});

const toolChoice = z.union([
  z.enum(["none", "auto", "required"]),
  z.object({ type: z.string(), function: z.object({ name: z.string() }).optional() }),
]);

/** OpenAI's bound for the field. */
const MOST_TOP_LOGPROBS = 20;
const MOST_STOPS = 16;

const count = z.int().min(1);
const penalty = z.number().min(-2).max(2);

export const chatSchema = z.object({
  model: z.string().nullish(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: count.nullish(),
  max_completion_tokens: count.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).nullish(),
  presence_penalty: penalty.nullish(),
  frequency_penalty: penalty.nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d+$/, "token ids must be whole numbers"), z.number().min(-100).max(100))
    .nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(MOST_STOPS)]).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(MOST_TOP_LOGPROBS).nullish(),
  tools: z.array(tool).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  n: z.int().nullish(),
  response_format: z.object({ type: z.string() }).nullish(),
  modalities: z.array(z.string()).nullish(),
  store: z.boolean().nullish(),
  // Read only to be refused.
  functions: z.unknown().optional(),
  function_call: z.unknown().optional(),
  audio: z.unknown().optional(),
  web_search_options: z.unknown().optional(),
  reasoning_effort: z.unknown().optional(),
  verbosity: z.unknown().optional(),
});

export type ChatBody = z.infer<typeof chatSchema>;
export type ChatBodyMessage = ChatBody["messages"][number];
