import fs from "node:fs";
import path from "node:path";
import { filesUnder } from "./fingerprint.mjs";

/** Past this a file should be split by idea. */
const WARN_LINES = 400;
/** Past this it must be. */
const MAX_LINES = 500;

/** Files of ours that are too long: `{ warnings, errors }`, one line each. */
export function checkFileLengths(root) {
  const result = { warnings: [], errors: [] };
  const files = ["src", "native", "scripts", "tests"].flatMap((directory) => filesUnder(path.join(root, directory)));
  for (const file of files) {
    const name = path.relative(root, file);
    if (!/\.(ts|mjs|cc|h|py)$/.test(name) || name.includes(`${path.sep}fixtures${path.sep}`)) continue;
    const lines = fs.readFileSync(file, "utf8").split("\n").length - 1;
    if (lines > MAX_LINES) result.errors.push(`${name}: ${lines} lines, more than ${MAX_LINES}: split it by idea`);
    else if (lines > WARN_LINES) result.warnings.push(`${name}: ${lines} lines, more than ${WARN_LINES}`);
  }
  return result;
}
