/** Brings a fresh clone to where it runs: dependencies, native addon, `dist/`. Does nothing when all is up to date. */
import { prepare } from "./lib/prepare.mjs";
import { runMain } from "./lib/report.mjs";

await runMain(prepare);
