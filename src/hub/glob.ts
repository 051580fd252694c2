import { PunieError } from "../errors.js";

/**
 * A glob as the `hf` command reads it (Python's fnmatch): `*` matches any text, slashes too, `?` one character,
 * `[abc]` and `[!abc]` one of a set; a pattern that ends in a slash means everything below.
 *
 * @throws PunieError `INVALID_OPTION` for a set whose range runs backwards.
 */
export function compileGlob(pattern: string): { test(path: string): boolean } {
  const glob = pattern.endsWith("/") ? `${pattern}*` : pattern;
  let source = "";
  for (let i = 0; i < glob.length; i++) {
    const char = glob[i] as string;
    const set = char === "[" ? /^\[(!?)(\]?[^\]]*)\]/.exec(glob.slice(i)) : null;
    if (char === "*") {
      // One for a run of them: several would make a long mismatch slow.
      if (glob[i - 1] !== "*") source += "[^]*";
    } else if (char === "?") source += "[^]";
    else if (set) {
      source += `[${set[1] ? "^" : ""}${(set[2] as string).replace(/[\\\]^]/g, "\\$&")}]`;
      i += set[0].length - 1;
    } else source += char.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw new PunieError("INVALID_OPTION", `${JSON.stringify(pattern)}: expected a glob, such as *.json or [a-c]*.`);
  }
}
