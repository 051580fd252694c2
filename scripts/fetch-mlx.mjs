/**
 * Brings MLX: `build/native/mlx/{lib,include,share}`, with `mlx_cpu.libs` beside it on Linux, where libmlx looks for
 * its BLAS. `PUNIE_MLX_PREFIX` names an installed MLX to take instead.
 */
import { withLock } from "./lib/lock.mjs";
import { fetchMlx } from "./lib/mlx.mjs";
import { progress, runMain } from "./lib/report.mjs";
import { checkNode, checkPlatform } from "./lib/requirements.mjs";

await runMain(async () => {
  checkNode();
  checkPlatform();
  progress(`MLX is in ${await withLock("native-build", fetchMlx)}`);
});
