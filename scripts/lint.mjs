/** Checks everything that a tool can check: `npm run lint`. With `--fix` (`npm run format`) it formats as well. */
import { prepareTools } from "./lib/prepare.mjs";
import { runMain } from "./lib/report.mjs";
import { runChecks } from "./lib/run-checks.mjs";

await runMain(async () => {
  await prepareTools();
  const { failures } = await runChecks({ fix: process.argv.includes("--fix") });
  if (failures.length > 0) process.exitCode = 1;
});
