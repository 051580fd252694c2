import { spawn } from "node:child_process";
import path from "node:path";
import { clangFormat } from "./clang-format.mjs";
import { checkFileLengths } from "./file-length.mjs";
import { filesUnder } from "./fingerprint.mjs";
import { paths } from "./paths.mjs";

/**
 * What the lint step checks. Each `run` gives what it has to say and whether it passed.
 * @type {{ name: string, run: (fix: boolean) => Promise<{ ok: boolean, text: string }> }[]}
 */
export const checks = [
  {
    name: "biome",
    run: (fix) => tool("@biomejs/biome/bin/biome", ["check", "--error-on-warnings", ...(fix ? ["--write"] : [])]),
  },
  { name: "tsc", run: () => tool("typescript/bin/tsc", ["--noEmit", "-p", "tsconfig.json"]) },
  { name: "layers", run: () => node([path.join(paths.root, "scripts", "check-layers.mjs")]) },
  { name: "clang-format", run: runClangFormat },
  { name: "file length", run: runFileLength },
];

async function runClangFormat(fix) {
  const files = ["native", "tests/native", "tests/fuzz/native"]
    .flatMap((directory) => filesUnder(path.join(paths.root, directory)))
    .filter((file) => /\.(cc|h)$/.test(file));
  if (files.length === 0) return { ok: true, text: "" };
  const result = await command(await clangFormat(), [...(fix ? ["-i"] : ["--dry-run", "--Werror"]), ...files]);
  if (result.ok || fix) return result;
  // Its own report is a picture of every line; the remedy needs none.
  const names = new Set(Array.from(result.text.matchAll(/^(\S+?):\d+:\d+: error/gm), ([, file]) => file));
  const lines = Array.from(names, (file) => `${path.relative(paths.root, file)}: not formatted`);
  return { ok: false, text: lines.length > 0 ? [...lines, "Format with: npm run format"].join("\n") : result.text };
}

async function runFileLength() {
  const { warnings, errors } = checkFileLengths(paths.root);
  return { ok: errors.length === 0, text: [...errors, ...warnings.map((line) => `warning: ${line}`)].join("\n") };
}

function tool(program, args) {
  return node([path.join(paths.root, "node_modules", program), ...args]);
}

function node(args) {
  return command(process.execPath, args);
}

function command(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: paths.root, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    const collect = (chunk) => {
      text += chunk;
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    child.on("error", (error) => resolve({ ok: false, text: `${program}: ${error.message}` }));
    child.on("close", (code) => resolve({ ok: code === 0, text: text.trim() }));
  });
}
