import fs from "node:fs";
import { output } from "./run.mjs";

/**
 * Whether a package manager runs this script only as the hook of another: to npm, a script named `prebuild` is also
 * what comes before `build`. Nothing in the environment tells the two apart, but the manager's command line does.
 * @param {string} event the other script, such as `build`
 * @param {string[]} [commandLines] of this process's ancestors, nearest first; for tests
 */
export function isHookOf(event, commandLines = ancestors()) {
  const manager = /(?:^|[\s/])(?:npm|npm-cli\.js|yarn|yarn\.js|pnpm|pnpm\.cjs)\s+(.*)/;
  const asked = commandLines.map((line) => line.match(manager)?.[1]).find((words) => words !== undefined);
  const [first, second] = asked?.split(/\s+/).filter((word) => !word.startsWith("-")) ?? [];
  return ["run", "run-script", "rum", "urn"].includes(first) ? second === event : first === event;
}

function ancestors() {
  const lines = [];
  for (let pid = process.ppid; pid > 1; ) {
    const parent = readProcess(pid);
    if (parent === undefined) break;
    lines.push(parent.commandLine);
    pid = parent.ppid;
  }
  return lines;
}

function readProcess(pid) {
  try {
    const commandLine = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    // The name, in parentheses, may hold anything.
    const [, ppid] = fs
      .readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return { commandLine, ppid: Number(ppid) };
  } catch {
    const line = output("ps", ["-o", "ppid=,args=", "-p", String(pid)])
      ?.trim()
      .match(/^(\d+)\s+(.*)$/s);
    return line ? { ppid: Number(line[1]), commandLine: line[2] } : undefined;
  }
}
