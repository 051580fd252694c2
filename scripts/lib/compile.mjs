import fs from "node:fs";
import path from "node:path";
import { filesUnder, fingerprint, isDone, markDone } from "./fingerprint.mjs";
import { withLock } from "./lock.mjs";
import { paths } from "./paths.mjs";
import { progress, SetupError } from "./report.mjs";
import { run } from "./run.mjs";

/** What is opened by its path: the package's exports and program, and what runs in threads and processes of its own. */
const ENTRIES = [
  "index",
  "server/index",
  "cli/main",
  "chat/template-worker",
  "hub/hash-worker",
  "isolation/process-entry",
  "isolation/worker-entry",
  "tokenizer/tokenizer-worker",
];

/** What this repository's scripts and tests open besides. */
const PARTS = [
  "bench/benchmark",
  "convert/convert-model",
  "convert/gguf/import-gguf",
  "hub/download-model",
  "models/model-directory",
  "native/binding",
];

/**
 * Packages that become part of `dist/`. zod: two thirds of what `import "punie"` would read are its messages in sixty
 * languages, which a bundle leaves out. undici: a file of it is used that another version may have elsewhere. The others
 * are large, seldom needed and imported when they are.
 */
const BUNDLED = /^(zod|undici)(\/|$)/;

/** `dist/` from `src/`: few files, since each one costs an importer half a millisecond. The dependencies must be there. */
export async function compileTypeScript({ force = false } = {}) {
  const project = path.join(paths.root, "tsconfig.build.json");
  if (!fs.existsSync(project)) return;
  const inputs = ["src", "tsconfig.json", "tsconfig.build.json", "package-lock.json", "scripts/lib/compile.mjs"];
  const print = () => fingerprint(inputs.map((name) => path.join(paths.root, name)));
  const upToDate = () => fs.existsSync(path.join(paths.dist, "index.js")) && isDone("typescript", print());
  if (!force && upToDate()) return;
  await withLock("tsc", async () => {
    if (!force && upToDate()) return;
    progress("compiling TypeScript...");
    const before = print();
    await writeDeclarations(project);
    const written = await bundle();
    removeOrphans(written);
    makeExecutable();
    markDone("typescript", before);
  });
}

async function writeDeclarations(project) {
  const compiler = path.join(paths.root, "node_modules", "typescript", "bin", "tsc");
  if (!fs.existsSync(compiler)) throw new SetupError("TypeScript is not installed. Run: npm ci --include=dev");
  await run(process.execPath, [compiler, "-p", project], { cwd: paths.root, hint: "The TypeScript does not compile." });
}

/** @returns The files of `dist/` that it wrote. */
async function bundle() {
  const { rolldown } = await import("rolldown");
  const build = await rolldown({
    cwd: paths.root,
    input: Object.fromEntries([...ENTRIES, ...PARTS].map((name) => [name, `src/${name}.ts`])),
    platform: "node",
    external: (id) => !id.startsWith(".") && !path.isAbsolute(id) && !BUNDLED.test(id),
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    tsconfig: false,
    transform: { target: "node20" },
  });
  try {
    const { output } = await build.write({
      dir: paths.dist,
      format: "esm",
      sourcemap: true,
      // Beside the entry that is imported: package-root.ts counts on it.
      chunkFileNames: "[name]-[hash].js",
    });
    return output.map(({ fileName }) => fileName);
  } finally {
    await build.close();
  }
}

/** Outputs of an earlier run, and declarations whose source is gone: a deleted module must not go on working. */
function removeOrphans(written) {
  const current = new Set(written);
  for (const file of filesUnder(paths.dist)) {
    const name = path.relative(paths.dist, file);
    const source = name.endsWith(".d.ts") ? name.replace(/\.d\.ts$/, ".ts") : undefined;
    const kept = source ? fs.existsSync(path.join(paths.root, "src", source)) : current.has(name);
    if (!kept) fs.rmSync(file);
  }
}

function makeExecutable() {
  const { bin } = JSON.parse(fs.readFileSync(path.join(paths.root, "package.json"), "utf8"));
  for (const file of Object.values(bin)) {
    const program = path.join(paths.root, file);
    if (fs.existsSync(program)) fs.chmodSync(program, 0o755);
  }
}
