import { PunieError } from "../errors.js";

/** `MODEL_UNSUPPORTED`: the file is well formed and asks for something that the engine doesn't have. */
export function unsupported(file: string, found: string, supported: string): PunieError {
  return new PunieError("MODEL_UNSUPPORTED", `${file}: ${found} is not supported. Supported: ${supported}.`);
}
