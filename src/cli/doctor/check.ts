/** One thing that `punie doctor` looked at. */
export interface Check {
  /** Short and stable: what a script looks for. */
  name: string;
  /** `problem`: nothing will run until it is put right. `warning`: something will be slow, or missing. */
  status: "ok" | "warning" | "problem" | "skipped";
  /** What was found, in one line or a few. */
  found: string;
  /** What to do about it. */
  advice?: string;
  /** The same as numbers and texts, for a script. */
  values?: Record<string, unknown>;
}

const MARKS = { ok: "✓", warning: "!", problem: "✗", skipped: "-" } as const;

/** A line per check, and below it what to do. */
export function reportText(checks: readonly Check[]): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = " ".repeat(width + 4);
  const lines = checks.flatMap(({ name, status, found, advice }) => {
    const [first, ...more] = [...found.split("\n"), ...(advice === undefined ? [] : advice.split("\n"))];
    return [`${MARKS[status]} ${name.padEnd(width)}  ${first}`, ...more.map((line) => `${indent}${line}`)];
  });
  return `${lines.join("\n")}\n`;
}
