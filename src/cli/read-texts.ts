/** Texts of the command line, or of a file. */
import { PunieError } from "../errors.js";
import { readInputText } from "./read-input.js";

/**
 * The texts, at least one and none of them empty.
 *
 * @param file One text a line; empty lines are none.
 * @param misuse Ends the command with a message about its usage.
 * @throws PunieError `INVALID_OPTION`
 */
export async function readTexts(
  given: readonly string[],
  file: string | undefined,
  misuse: (message: string) => never,
): Promise<string[]> {
  if (given.length > 0 === (file !== undefined)) {
    misuse(`give texts, or --file with one a line; found ${file === undefined ? "neither" : "both"}`);
  }
  const texts = file === undefined ? [...given] : (await readInputText("--file", file)).split(/\r?\n/).filter(Boolean);
  if (texts.length === 0) throw new PunieError("INVALID_OPTION", `--file ${file}: expected a text a line, found none.`);
  return texts;
}
