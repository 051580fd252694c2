import fs from "node:fs";
import path from "node:path";
import { filesUnder } from "./fingerprint.mjs";

/** What each folder of native/ may include besides itself. error.h, at the root, may be included by all. */
const MAY_INCLUDE = {
  "error.h": [],
  kernels: [],
  io: [],
  tokenizer: [],
  nn: ["kernels", "io"],
  models: ["nn", "io", "kernels"],
  engine: ["models", "nn", "io", "kernels"],
  binding: ["engine", "models", "nn", "io", "kernels", "tokenizer"],
  "addon.cc": ["binding"],
};

/** Node's own headers: only what speaks JavaScript may see them. */
const NODE_HEADERS = /^(napi\.h|napi-inl\.h|node_api\.h|js_native_api\.h|node\.h|v8\.h|uv\.h)$/;

/**
 * Breaches of the architecture's include arrows in `<root>/native`, one line each.
 * @param {string} root
 * @returns {string[]}
 */
export function checkNativeLayers(root) {
  const native = path.join(root, "native");
  return filesUnder(native)
    .filter((file) => /\.(cc|h)$/.test(file))
    .flatMap((file) => fileBreaches(native, path.relative(native, file).split(path.sep).join("/")));
}

function fileBreaches(native, name) {
  const from = layerOf(name);
  const breaches = [];
  for (const [index, line] of fs.readFileSync(path.join(native, name), "utf8").split("\n").entries()) {
    const include = line.match(/^\s*#\s*include\s*(["<])([^">]+)[">]/);
    if (!include) continue;
    const [, quote, header] = include;
    const breach = (text) => breaches.push(`native/${name}:${index + 1}: ${text}`);
    if (NODE_HEADERS.test(header)) {
      if (from !== "binding" && from !== "addon.cc") breach(`only binding/ and addon.cc include <${header}>`);
    } else if (quote === '"') {
      const to = layerOf(resolveHeader(native, name, header));
      const allowed = to === from || to === "error.h" || (MAY_INCLUDE[from] ?? []).includes(to);
      if (!allowed) breach(`${from} must not include "${header}"`);
    }
  }
  return breaches;
}

/** As the compiler does: first beside the file, then from native/. */
function resolveHeader(native, includer, header) {
  const beside = path.posix.normalize(path.posix.join(path.posix.dirname(includer), header));
  return fs.existsSync(path.join(native, beside)) ? beside : path.posix.normalize(header);
}

function layerOf(name) {
  return name.split("/")[0];
}
