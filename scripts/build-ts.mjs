/** `dist/` from `src/`, always: `npm run build:ts`. */
import { compileTypeScript } from "./lib/compile.mjs";
import { runMain } from "./lib/report.mjs";

await runMain(() => compileTypeScript({ force: true }));
