/**
 * Where this package's files really lie: what no bundler takes along (the addon, the files of worker threads) is found
 * from here. A leaf.
 */
import { existsSync, readFileSync } from "node:fs";
// Whole: webpack puts undefined for a createRequire that is imported by its name.
import nodeModule from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const PACKAGE_NAME = "punie";

declare const __filename: string | undefined;

/** This file, or the bundle that it became part of. A bundle in CommonJS has no `import.meta.url`. */
function thisFile(): string {
  const { url } = import.meta as { url?: string };
  return url ?? pathToFileURL(typeof __filename === "string" ? __filename : path.join(process.cwd(), "index.js")).href;
}

/**
 * The package's directory. In a bundle, that of the installed package which the bundle's own place finds; where there
 * is none, the place it would have if nothing had been bundled, so that a message can name it.
 * @param file URL of this module, for tests.
 */
export function findPackageRoot(file: string = thisFile()): string {
  // `src/` and `dist/` lie equally deep in the package.
  const expected = fileURLToPath(new URL("..", file));
  if (isThisPackage(expected)) return expected;
  // webpack writes down the path that a file had when it was bundled; the program that runs knows better.
  for (const from of [file, process.argv[1]]) {
    try {
      if (from)
        return path.join(
          path.dirname(nodeModule.createRequire(from).resolve(`${PACKAGE_NAME}/package.json`)),
          path.sep,
        );
    } catch {
      // Not from there.
    }
  }
  return expected;
}

function isThisPackage(directory: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(path.join(directory, "package.json"), "utf8")) as { name?: unknown };
    return name === PACKAGE_NAME;
  } catch {
    return false;
  }
}

/**
 * The file that the operating system can open. Electron reads an app out of one archive, but a library or a thread needs
 * a file of its own: what was unpacked lies in `app.asar.unpacked/`, while its path still says `app.asar/`.
 */
export function realFile(file: string, exists: (file: string) => boolean = existsSync): string {
  const unpacked = file.replace(/\.asar(?=[\\/])/, ".asar.unpacked");
  return unpacked !== file && exists(unpacked) ? unpacked : file;
}

const ROOT = findPackageRoot();

/** A file of this package, such as `package.json` or `dist/hub/hash-worker.js`, that exists as a file on disk. */
export function packageFile(name: string): string {
  return realFile(path.join(ROOT, name));
}
