import type { z } from "zod";
import { PunieError } from "../errors.js";
import { issueText } from "../issue-text.js";

/**
 * Checks untrusted JSON against a schema.
 *
 * @throws PunieError `MODEL_CORRUPT` with the file and the JSON path of the first thing that doesn't fit.
 */
export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown, file: string): z.output<Schema> {
  // Compiling a schema costs more than it saves for what is read once, as a model's files are.
  const result = schema.safeParse(value, { jitless: true });
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.length ? issue.path.map(String).join(".") : "the top level";
  const found = issue ? describe(valueAt(value, issue.path)) : "something else";
  throw new PunieError("MODEL_CORRUPT", `${file}: ${path}: ${issueText(issue)}; found ${found}.`);
}

/** A value in an error message: short, and never an object's whole content. */
export function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

const MAX_SHOWN = 60;

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null | undefined)?.[key], value);
}
