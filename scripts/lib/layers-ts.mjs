import fs from "node:fs";
import path from "node:path";
import ts from "typescript";
import { filesUnder } from "./fingerprint.mjs";

/** What each folder of src/ may import besides itself. The leaves at the root may be imported by all. */
const MAY_IMPORT = {
  errors: [],
  "format-bytes": [],
  "issue-text": [],
  "make-directory": [],
  "package-root": [],
  native: [],
  isolation: ["native"],
  memory: ["models/model-size", "native/binding-types"],
  models: ["native/binding-types"],
  hub: ["models"],
  worker: [],
  tokenizer: ["models", "native", "worker"],
  chat: ["models", "worker"],
  convert: ["models", "native", "tokenizer"],
  api: ["native", "isolation", "memory", "models", "tokenizer", "chat", "convert"],
  bench: ["api", "models", "convert"],
  agent: ["api", "chat", "tokenizer", "models"],
  server: ["agent", "api", "chat", "tokenizer", "models"],
  acp: ["agent", "api", "chat", "tokenizer", "models"],
  "ai-sdk": ["agent", "api", "chat", "tokenizer", "models"],
  cli: ["acp", "server", "agent", "bench", "api", "chat", "tokenizer", "convert", "models", "native", "hub"],
  index: ["api", "models", "hub", "native/binding-types", "memory/pressure"],
};

/** What knows nothing of the rest of src/. */
const LEAVES = ["errors", "format-bytes", "issue-text", "make-directory", "package-root"];

/** The only files outside hub/ that may import it: what asks the Hub because the user said so. */
const HUB_ENTRANCES = ["index", "cli/commands/download-model", "cli/commands/models-check", "cli/commands/doctor"];
/** Files that may reach the hub through an entrance: they dispatch to the commands, or list them. */
const HUB_DISPATCHERS = [
  "cli/main",
  "cli/run",
  "cli/program",
  "cli/commands",
  "cli/commands/models",
  "cli/commands/completion",
];

/** The only file that loads a native addon. */
const ADDON_LOADER = "native/binding";

/** What runs in a process of its own, which it may end. */
const PROCESS_ENTRIES = ["isolation/process-entry"];

/** Members of `process` that end it or write to the terminal: the command line's alone. */
const CLI_ONLY_PROCESS = new Set(["exit", "exitCode", "abort", "stdout", "stderr"]);

/**
 * Breaches of the architecture's import arrows in `<root>/src`, one line each.
 * @param {string} root
 * @returns {string[]}
 */
export function checkTypeScriptLayers(root) {
  const src = path.join(root, "src");
  const modules = filesUnder(src)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readModule(src, file));
  return [...modules.flatMap(directBreaches), ...hubBreaches(modules)];
}

/** A source file as the rules see it. `name` is its path in src without the extension. */
function readModule(src, file) {
  const source = ts.createSourceFile(file, fs.readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  const module = { name: moduleName(src, file), imports: [], uses: [] };
  const visit = (node) => {
    const specifier = importedBy(node);
    if (specifier?.startsWith(".") && !specifier.endsWith(".node")) {
      module.imports.push({
        name: moduleName(src, path.resolve(path.dirname(file), specifier)),
        typeOnly: isTypeOnly(node),
        line: lineOf(source, node),
      });
    }
    const use = restrictedUse(node);
    if (use) module.uses.push({ ...use, line: lineOf(source, node) });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return module;
}

function moduleName(src, file) {
  return path
    .relative(src, file)
    .split(path.sep)
    .join("/")
    .replace(/\.[jt]s$/, "");
}

function lineOf(source, node) {
  return source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
}

/** The text of every way to name another module: import, export from, import(), require(), new URL(…) for a worker. */
function importedBy(node) {
  const text = (expression) => (expression && ts.isStringLiteralLike(expression) ? expression.text : undefined);
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return text(node.moduleSpecifier);
  if (ts.isExternalModuleReference(node)) return text(node.expression);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return text(node.argument.literal);
  if (ts.isCallExpression(node)) {
    const callee = node.expression;
    const isRequire = ts.isIdentifier(callee) && callee.text === "require";
    if (callee.kind === ts.SyntaxKind.ImportKeyword || isRequire) return text(node.arguments[0]);
  }
  const isUrl = ts.isNewExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === "URL";
  const target = isUrl ? text(node.arguments?.[0]) : undefined;
  return target && /\.[jt]s$/.test(target) ? target : undefined;
}

function isTypeOnly(node) {
  if (ts.isImportTypeNode(node)) return true;
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  if (!ts.isImportDeclaration(node) || !node.importClause) return false;
  const { isTypeOnly, name, namedBindings } = node.importClause;
  if (isTypeOnly) return true;
  return (
    !name && !!namedBindings && ts.isNamedImports(namedBindings) && namedBindings.elements.every((e) => e.isTypeOnly)
  );
}

function restrictedUse(node) {
  if (ts.isStringLiteralLike(node) && node.text.endsWith(".node")) return { kind: "addon", what: `"${node.text}"` };
  if (!ts.isPropertyAccessExpression(node) || !ts.isIdentifier(node.expression)) return undefined;
  const [object, member] = [node.expression.text, node.name.text];
  if (object === "process" && member === "dlopen") return { kind: "addon", what: "process.dlopen" };
  const terminal = object === "console" || (object === "process" && CLI_ONLY_PROCESS.has(member));
  return terminal ? { kind: "terminal", what: `${object}.${member}` } : undefined;
}

function directBreaches({ name, imports, uses }) {
  const breaches = [];
  const breach = (line, text) => breaches.push(`src/${name}.ts:${line}: ${text}`);
  for (const { name: imported, typeOnly, line } of imports) {
    if (imported.startsWith("../")) continue;
    if (!mayImport(name, imported, typeOnly)) breach(line, `${layerOf(name)} must not import ${imported}`);
    else if (layerOf(name) === "models" && layerOf(imported) === "native" && !typeOnly) {
      breach(line, `models may import only types from ${imported}`);
    }
  }
  for (const { kind, what, line } of uses) {
    if (kind === "addon" && name !== ADDON_LOADER) breach(line, `only ${ADDON_LOADER}.ts loads the addon (${what})`);
    if (kind === "terminal" && layerOf(name) !== "cli" && !PROCESS_ENTRIES.includes(name))
      breach(line, `only src/cli exits or prints (${what})`);
  }
  return breaches;
}

function mayImport(importer, imported, typeOnly) {
  const [from, to] = [layerOf(importer), layerOf(imported)];
  if (from === to) return true;
  // A display may know the shape of a download's events: types leave nothing to run.
  const erased = typeOnly && from === "cli";
  if (to === "hub" && !HUB_ENTRANCES.includes(importer) && !erased) return false;
  if (LEAVES.includes(to)) return true;
  return (MAY_IMPORT[from] ?? []).some((allowed) => allowed === to || allowed === imported);
}

/** The first folder of a module's name, or the name itself for the files at the root of src/. */
function layerOf(name) {
  return name.split("/")[0];
}

/** Nothing may reach the hub by a detour either: a command that loads must not import one that downloads. */
function hubBreaches(modules) {
  const exempt = new Set([...HUB_ENTRANCES, ...HUB_DISPATCHERS]);
  const byName = new Map(modules.map((module) => [module.name, module]));
  const breaches = [];
  for (const { name } of modules) {
    if (layerOf(name) === "hub" || exempt.has(name)) continue;
    const route = routeToHub(name, byName);
    // A route of two is a direct import, which is reported with its line.
    if (route && route.length > 2) breaches.push(`src/${name}.ts: reaches the hub by ${route.join(" -> ")}`);
  }
  return breaches;
}

function routeToHub(start, byName) {
  const seen = new Set([start]);
  const queue = [[start]];
  for (let route = queue.shift(); route; route = queue.shift()) {
    for (const { name, typeOnly } of byName.get(route.at(-1))?.imports ?? []) {
      if (typeOnly || seen.has(name)) continue;
      if (layerOf(name) === "hub") return [...route, name];
      seen.add(name);
      queue.push([...route, name]);
    }
  }
  return undefined;
}
