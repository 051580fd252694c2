/**
 * Holds the tiny model to mlx-lm's greedy run, in a Node for arm64 that can read TypeScript: `npm run test:arm64`. The
 * whole package runs as users have it, but for the place of the addon. Prints a line for each run.
 */
import assert from "node:assert/strict";
import { loadModel } from "../../dist/index.js";
import { loadBinding } from "../../dist/native/binding.js";
import { compareWithGolden, LOGPROBS, readGolden, TINY_CODER } from "../helpers/golden.ts";

const { cpuKernels, mlxVersion } = loadBinding().info();
console.log(`Node ${process.version} for ${process.arch}, MLX ${mlxVersion}, CPU kernels: ${cpuKernels}`);
assert.equal(process.arch, "arm64");
assert.equal(cpuKernels, process.env.PUNIE_CPU_KERNELS ?? "neon");

await using model = await loadModel(TINY_CODER, { device: "cpu", prefillChunk: 128 });
for (const run of readGolden("tiny-coder").runs) {
  const { differences, meanError } = await compareWithGolden(run, async (prompt, maxTokens) => {
    const { tokens } = await model.generate({ prompt, maxTokens, logprobs: LOGPROBS, ignoreEos: true });
    return tokens.map(({ id, top }) => ({ id, top: top ?? [] }));
  });
  assert.deepEqual(differences, []);
  assert.ok(meanError <= run.bf16Error, `mean error ${meanError}, mlx-lm's in bf16 ${run.bf16Error}`);
  console.log(
    `${run.ids.length} tokens after ${run.prompt.length}: as mlx-lm's, log-probabilities ${meanError.toExponential(1)} off`,
  );
}
