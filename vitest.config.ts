import { defaultExclude, defineConfig } from "vitest/config";

/** Set by `npm run test:long`: takes in the long runs, and gives each its time. */
const long = process.env.PUNIE_LONG === "1";
const MINUTE_MS = 60_000;

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    exclude: long ? defaultExclude : [...defaultExclude, "tests/long/**"],
    testTimeout: long ? 60 * MINUTE_MS : MINUTE_MS,
    hookTimeout: 2 * MINUTE_MS,
    pool: "forks",
    maxWorkers: 2,
  },
});
