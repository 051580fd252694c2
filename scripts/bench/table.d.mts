import type { Row } from "./rows.mjs";

export function markdownTable(rows: Row[]): string;
