/**
 * The programs that a page of docs/guide shows, run as a reader would run them.
 *
 * A block whose fence names a file (```ts stream.ts) is a program, or a file that one needs; a block without a name is a
 * fragment. All of a page's files are written into a directory where `punie` is this package, built, and where the
 * models that pages speak of are the tiny model.
 */
import { spawn } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { finished, type RunResult } from "./run-punie.js";
import { TINY_MODEL } from "./tiny-model.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** What pages may call a model: each is the tiny model here. */
const MODEL_NAMES = [
  "mlx-community/Qwen2.5-Coder-7B-Instruct-4bit",
  "mlx-community/Qwen2.5-Coder-3B-Instruct-4bit",
  "mlx-community/Qwen2.5-Coder-1.5B-Instruct-4bit",
  "mlx-community/Qwen2.5-Coder-0.5B-Instruct-4bit",
];

export interface DocExample {
  /** As the fence names it. */
  file: string;
  code: string;
  /** Of its first line, in the page. */
  line: number;
}

/** The named blocks of a page, in order. @param page Its path from the repository's root. */
export async function readDocExamples(page: string): Promise<DocExample[]> {
  const lines = (await readFile(join(ROOT, page), "utf8")).split("\n");
  const examples: DocExample[] = [];
  for (let at = 0; at < lines.length; at++) {
    const fence = /^(`{3,})(\S*)[ \t]*(\S*)/.exec(lines[at] ?? "");
    if (!fence) continue;
    const end = lines.indexOf(fence[1] as string, at + 1);
    if (end < 0) throw new Error(`${page}:${at + 1}: the block has no end.`);
    if (fence[3]) examples.push({ file: fence[3], code: lines.slice(at + 1, end).join("\n"), line: at + 2 });
    at = end;
  }
  return examples;
}

/** A page's files in a directory of their own, until `remove`. */
export interface DocDirectory {
  path: string;
  env: NodeJS.ProcessEnv;
  remove: () => Promise<void>;
}

/** Writes a page's files, TypeScript as the JavaScript that it becomes: `stream.ts` is run as `stream.js`. */
export async function writeDocExamples(page: string): Promise<DocDirectory> {
  const path = await mkdtemp(join(tmpdir(), "punie-doc-"));
  await writeFile(join(path, "package.json"), '{ "type": "module" }');
  await mkdir(join(path, "node_modules"));
  await symlink(ROOT, join(path, "node_modules", "punie"), "dir");
  for (const dependency of ["hono", "@hono", "openai"]) {
    await symlink(join(ROOT, "node_modules", dependency), join(path, "node_modules", dependency), "dir");
  }
  for (const { file, code, line } of await readDocExamples(page)) {
    const target = join(path, file);
    if (relative(path, target).startsWith(`..${sep}`)) throw new Error(`${page}:${line}: ${file} lies elsewhere.`);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target.replace(/\.(m|c)?ts$/, ".$1js"), file.endsWith("ts") ? toJavaScript(code) : code);
  }
  const models = join(path, "models");
  for (const name of MODEL_NAMES) await cp(TINY_MODEL, join(models, name.replace("/", "--")), { recursive: true });
  const { PUNIE_MODEL: _, ...inherited } = process.env;
  return {
    path,
    env: { ...inherited, NO_COLOR: "1", PUNIE_MODELS_DIR: models },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

/** Runs one of a page's programs to its end. @param file As the page names it. */
export async function runDocExample(
  page: string,
  file: string,
  { args = [], input = "" }: { args?: readonly string[]; input?: string } = {},
): Promise<RunResult> {
  const directory = await writeDocExamples(page);
  try {
    const program = join(directory.path, file.replace(/\.(m|c)?ts$/, ".$1js"));
    const child = spawn(process.execPath, [program, ...args], { cwd: directory.path, env: directory.env });
    child.stdin.end(input);
    return await finished(child);
  } finally {
    await directory.remove();
  }
}

function toJavaScript(code: string): string {
  // Node 20 knows no `await using`; it becomes try and finally.
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  return ts.transpileModule(code, { compilerOptions }).outputText;
}
