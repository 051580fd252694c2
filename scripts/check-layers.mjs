/** Proves the import arrows of the architecture: `node scripts/check-layers.mjs [DIRECTORY]`. Fails on any other import. */
import { checkNativeLayers } from "./lib/layers-cc.mjs";
import { checkTypeScriptLayers } from "./lib/layers-ts.mjs";
import { paths } from "./lib/paths.mjs";

const root = process.argv[2] ?? paths.root;
const breaches = [...checkTypeScriptLayers(root), ...checkNativeLayers(root)];
for (const breach of breaches) process.stderr.write(`${breach}\n`);
process.exitCode = breaches.length > 0 ? 1 : 0;
