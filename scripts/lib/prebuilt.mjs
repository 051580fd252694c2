import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";

/**
 * Why the addon in a directory can't be used here, or undefined when it loads. Tried in a process of its own: a library
 * that doesn't fit the machine may end it.
 * @param {string} directory where punie.node lies, with MLX beside it
 */
export function whyNotLoadable(directory) {
  const addon = path.join(directory, "punie.node");
  if (!fs.existsSync(addon)) return `${addon} is not there`;
  const trial =
    "const addon = require(process.argv[1]); if (typeof addon.loadModel !== 'function') throw new Error('no loadModel')";
  const { status, signal, stderr } = spawnSync(process.execPath, ["-e", trial, addon], { encoding: "utf8" });
  if (status === 0) return undefined;
  return stderr.match(/Error: .*/)?.[0] ?? `loading it ended with ${signal ?? status}`;
}
