import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const program = fileURLToPath(new URL("../../build/native/punie_decode_graph", import.meta.url));
const golden: { primitives: Record<string, [number, number]> } = JSON.parse(
  readFileSync(new URL("graph/mlx-lm.golden.json", import.meta.url), "utf8"),
);

test("for a token MLX is given no more primitives than mlx-lm gives it: what a GPU would be asked for", () => {
  const lines = execFileSync(program, { encoding: "utf8" }).trim().split("\n");
  const counts = lines.map((line) => line.split(" ") as [string, string, string]);
  expect(counts.map(([family, layers]) => `${family} ${layers}`)).toEqual(["qwen2 1", "qwen2 2", "qwen3 1", "qwen3 2"]);
  for (const [family, layers, primitives] of counts) {
    const most = golden.primitives[family]?.[Number(layers) - 1];
    expect(Number(primitives), `${family}, ${layers} layers`).toBeLessThanOrEqual(most as number);
  }
});
