#!/usr/bin/env node
/**
 * Writes native/tokenizer/character_classes.inc from the Unicode tables of the Node that runs this: which code points
 * are letters (\p{L}), numbers (\p{N}) and white space (\p{White_Space}), which is what splits text into words.
 *
 *     node scripts/make-character-classes.mjs
 */
import fs from "node:fs";
import path from "node:path";
import { paths } from "./lib/paths.mjs";

/** In the order of `CharacterClass` in character_class.h, after `other`. */
const CLASSES = [/\p{L}/u, /\p{N}/u, /\p{White_Space}/u];
const LINE_WIDTH = 120;

function classOf(code) {
  const character = String.fromCodePoint(code);
  return CLASSES.findIndex((pattern) => pattern.test(character)) + 1;
}

const ranges = [];
for (let code = 0, last = -1; code <= 0x10ffff; code++) {
  const found = classOf(code);
  if (found !== last) ranges.push((code << 2) | found);
  last = found;
}

const lines = [];
let line = "";
for (const range of ranges) {
  const item = `${range},`;
  if (line.length + 1 + item.length > LINE_WIDTH) {
    lines.push(line);
    line = "";
  }
  line += line ? ` ${item}` : item;
}
lines.push(line);

const text = `// Made by scripts/make-character-classes.mjs from Unicode ${process.versions.unicode}. Not to be edited.
// Where a range of one class begins: its first code point times 4, and the class.
${lines.join("\n")}
`;
fs.writeFileSync(path.join(paths.root, "native", "tokenizer", "character_classes.inc"), text);
