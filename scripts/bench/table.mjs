/** Rows as a Markdown table. */

const SIDES = ["punie", "node-llama-cpp", "mlx-lm"];

/** @param {import("./rows.mjs").Row[]} rows */
export function markdownTable(rows) {
  const sides = SIDES.filter((side) => side === "punie" || rows.some((row) => row.sides[side]));
  const heading = ["model", "measure", ...sides, "ratio", "aim"];
  const lines = rows.map((row) => [
    row.model,
    `${row.measure}, ${row.unit}`,
    ...sides.map((side) => figure(row.sides[side])),
    row.ratio === undefined ? "" : `${ratioText(row)}`,
    row.aim ? `${aimText(row.aim)} ${row.met ? "✓" : "✗"}` : "",
  ]);
  return [heading, heading.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

/** The median, with the least and the most of several runs. */
function figure(spread) {
  if (!spread) return "–";
  const { median, min, max, runs } = spread;
  return runs === 1 ? digits(median) : `${digits(median)} (${digits(min)}–${digits(max)})`;
}

/** Three that say something. */
function digits(value) {
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

function ratioText({ ratio, against }) {
  const parts = { percent: against.startsWith("of ") };
  return `${parts.percent ? `${(ratio * 100).toFixed(0)}%` : fraction(ratio)} ${against}`;
}

/** Below a half, how many times less is easier read. */
function fraction(ratio) {
  return ratio > 0 && ratio < 0.5 ? `1/${(1 / ratio).toFixed(1)} ×` : `${ratio.toFixed(2)} ×`;
}

function aimText({ atLeast, atMost }) {
  const bound = atLeast ?? atMost;
  const text = bound < 0.5 || bound === 1 / 2 ? `1/${Math.round(1 / bound)}` : String(bound);
  return `${atLeast === undefined ? "≤" : "≥"} ${text}`;
}
