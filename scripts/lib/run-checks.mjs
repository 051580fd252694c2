import { checks } from "./checks.mjs";
import { progress } from "./report.mjs";

/**
 * Runs every check and tells, on stderr, of those that have something to say.
 * @param {{ fix?: boolean }} [options] fix: format instead of complaining
 * @returns {Promise<{ passed: number, failures: string[] }>} the checks that failed, by name
 */
export async function runChecks({ fix = false } = {}) {
  const results = await Promise.all(
    checks.map(async ({ name, run }) => {
      try {
        return { name, ...(await run(fix)) };
      } catch (error) {
        return { name, ok: false, text: error.message };
      }
    }),
  );
  for (const { name, ok, text } of results) {
    if (!ok || text.includes("warning: ")) process.stderr.write(`\n--- ${name}\n${text}\n`);
    progress(`${ok ? "ok  " : "FAIL"} ${name}`);
  }
  const failures = results.filter(({ ok }) => !ok).map(({ name }) => name);
  return { passed: results.length - failures.length, failures };
}
