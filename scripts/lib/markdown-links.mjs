import fs from "node:fs";
import path from "node:path";
import { filesUnder } from "./fingerprint.mjs";

/** Where the project's own pages lie; everything else is somebody else's, or made by a build. */
const PAGES = ["README.md", "CHANGELOG.md", "THIRD_PARTY_NOTICES.md", "docs", "examples"];

/**
 * Every link of a page that leads nowhere: a file that is not there, or a heading that its page does not have.
 * Links to other hosts are not followed: a check must not need the network.
 * @param {string} root the repository
 * @returns {string[]} `PAGE:LINE: what is wrong`
 */
export function brokenLinks(root) {
  const pages = PAGES.flatMap((name) => filesUnder(path.join(root, name))).filter(
    (file) => file.endsWith(".md") && !file.includes(`${path.sep}node_modules${path.sep}`),
  );
  return pages.flatMap((page) => {
    const place = path.relative(root, page);
    return linksOf(fs.readFileSync(page, "utf8")).flatMap(({ target, line }) => {
      const wrong = whatIsWrong(page, target);
      return wrong === undefined ? [] : [`${place}:${line}: (${target}) ${wrong}`];
    });
  });
}

/** `[text](target)` and `[name]: target`, outside of code. */
function linksOf(text) {
  const links = [];
  for (const [index, line] of proseLines(text).entries()) {
    for (const [, target] of line.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g))
      links.push({ target, line: index + 1 });
    const definition = /^\[[^\]]+\]:\s*<?([^\s>]+)/.exec(line);
    if (definition) links.push({ target: definition[1], line: index + 1 });
  }
  return links;
}

function whatIsWrong(page, target) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [file, anchor] = target.split("#", 2);
  const found = file === "" ? page : path.resolve(path.dirname(page), decodeURIComponent(file));
  if (!fs.existsSync(found)) return "is not there";
  if (anchor === undefined || !found.endsWith(".md")) return undefined;
  return anchorsOf(fs.readFileSync(found, "utf8")).has(anchor) ? undefined : "names no heading of that page";
}

/** A page's headings as GitHub makes anchors of them. */
function anchorsOf(text) {
  const anchors = new Set();
  for (const line of proseLines(text, { keepCode: true })) {
    const heading = /^#{1,6}\s+(.*?)\s*#*$/.exec(line);
    if (!heading) continue;
    const slug = heading[1]
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let number = 1; anchors.has(anchor); number++) anchor = `${slug}-${number}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The page's lines, those of code blocks and (unless kept) of code within a line emptied. */
function proseLines(text, { keepCode = false } = {}) {
  let fence;
  return text.split("\n").map((line) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence === undefined && mark !== undefined) {
      fence = mark;
      return "";
    }
    if (fence !== undefined) {
      if (mark?.startsWith(fence)) fence = undefined;
      return "";
    }
    return keepCode ? line : line.replace(/`[^`]*`/g, "");
  });
}
