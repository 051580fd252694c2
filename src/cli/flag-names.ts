/** The API's messages in the command line's words: `topP: expected …` is `--top-p: expected …` to who typed it. */
import { SAMPLING_OPTIONS } from "../api/sampling.js";
import { PunieError } from "../errors.js";

/** Options that have a flag of their name. What stands in a file, such as `messages[0].role`, keeps its name. */
const OPTIONS = new Set<string>([
  ...SAMPLING_OPTIONS,
  ...["maxTokens", "stop", "logprobs", "modelsDir", "device", "threads", "contextLength", "adapter"],
  ...["pooling", "instruction", "dimensions"],
  ...["sequenceLength", "stride", "maxSequences"],
  ...["revision", "include", "exclude", "maxRate"],
  ...["mode", "bits", "groupSize", "mixed", "dtype", "adapter"],
]);

/** An `INVALID_OPTION` about an option that has a flag names the flag; any other error comes back as it is. */
export function withFlagName(error: unknown): unknown {
  if (!(error instanceof PunieError) || error.code !== "INVALID_OPTION") return error;
  const [, name = "", index = "", rest = ""] = /^([a-zA-Z]+)(\[\w+\])?(: [\s\S]*)$/.exec(error.message) ?? [];
  const flag = flagOf(name, index);
  return flag === undefined ? error : new PunieError(error.code, `${flag}${index}${rest}`, { cause: error });
}

function flagOf(name: string, index: string): string | undefined {
  // Only ids are counted: a text has no index.
  if (name === "prompt") return index === "" ? "--prompt" : "--prompt-ids";
  return OPTIONS.has(name) ? `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}` : undefined;
}
