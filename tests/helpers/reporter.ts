import { writeFileSync } from "node:fs";
import type { SerializedError } from "vitest";
import type { Reporter, TestModule } from "vitest/node";

/**
 * Leaves the result of a run in the file that `PUNIE_TEST_COUNTS` names, for `scripts/test.mjs` to read. A test file
 * that can't be loaded and an error outside any test count as a failed test each.
 */
export default class CountingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const file = process.env.PUNIE_TEST_COUNTS;
    if (file === undefined) return;
    let passed = 0;
    const failures = unhandledErrors.map(({ message }) => message);
    for (const module of modules) {
      const id = module.relativeModuleId;
      failures.push(...module.errors().map(() => id));
      for (const suite of module.children.allSuites()) {
        failures.push(...suite.errors().map(() => `${id} > ${suite.fullName}`));
      }
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === "passed") passed += 1;
        else if (state !== "skipped") failures.push(`${id} > ${test.fullName}`);
      }
    }
    writeFileSync(file, JSON.stringify({ passed, failures }));
  }
}
