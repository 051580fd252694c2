/**
 * Checks a value against the part of JSON Schema that tools use. Keywords beyond it don't reject: a call that a stricter
 * reader would refuse reaches the tool, which has its own say. `pattern` is left out on purpose: it comes from clients,
 * and a regular expression can run for ever.
 */

export type JsonSchema = boolean | { [keyword: string]: unknown };

/** Nested deeper than any tool's; a `$ref` to itself ends here. */
const MAX_DEPTH = 64;
/** Rules looked at for one value: alternatives that refer to themselves double at every level. Past it, all fits. */
const MAX_RULES = 20_000;

/** What doesn't fit, with its place, such as `path: expected string, found number`; undefined when all fits. */
export function schemaProblem(value: unknown, schema: unknown, place = "arguments"): string | undefined {
  return problem(value, schema, { place, root: schema, depth: 0, budget: { left: MAX_RULES } });
}

interface Context {
  place: string;
  root: unknown;
  depth: number;
  /** Shared by all of one check. */
  budget: { left: number };
}

function problem(value: unknown, schema: unknown, context: Context): string | undefined {
  const { place } = context;
  if (schema === false) return `${place}: not allowed`;
  if (!isObject(schema) || context.depth > MAX_DEPTH || --context.budget.left < 0) return undefined;
  const inner = { ...context, depth: context.depth + 1 };
  if (typeof schema.$ref === "string") return problem(value, resolve(schema.$ref, context.root), inner);
  const types = typesOf(schema);
  if (types.length > 0 && !types.some((type) => hasType(value, type))) {
    return `${place}: expected ${types.join(" or ")}, found ${typeName(value)}`;
  }
  if (Array.isArray(schema.enum) && !schema.enum.some((option) => sameJson(option, value))) {
    return `${place}: expected one of ${JSON.stringify(schema.enum)}, found ${JSON.stringify(value)}`;
  }
  if ("const" in schema && !sameJson(schema.const, value)) {
    return `${place}: expected ${JSON.stringify(schema.const)}, found ${JSON.stringify(value)}`;
  }
  return (
    limitsProblem(value, schema, place) ??
    objectProblem(value, schema, inner) ??
    arrayProblem(value, schema, inner) ??
    combinationProblem(value, schema, inner)
  );
}

function limitsProblem(value: unknown, schema: Record<string, unknown>, place: string): string | undefined {
  const limit = (keyword: string) => (typeof schema[keyword] === "number" ? schema[keyword] : undefined);
  const between = (size: number, low: number | undefined, high: number | undefined, unit: string) => {
    if (low !== undefined && size < low) return `${place}: expected at least ${low}${unit}, found ${size}`;
    if (high !== undefined && size > high) return `${place}: expected at most ${high}${unit}, found ${size}`;
    return undefined;
  };
  if (typeof value === "number") return between(value, limit("minimum"), limit("maximum"), "");
  if (typeof value === "string") {
    const bounded = schema.minLength !== undefined || schema.maxLength !== undefined;
    const length = bounded ? Array.from(value).length : 0;
    return bounded ? between(length, limit("minLength"), limit("maxLength"), " characters") : undefined;
  }
  if (Array.isArray(value)) return between(value.length, limit("minItems"), limit("maxItems"), " items");
  return undefined;
}

function objectProblem(value: unknown, schema: Record<string, unknown>, context: Context): string | undefined {
  if (!isObject(value)) return undefined;
  const { place } = context;
  for (const key of Array.isArray(schema.required) ? schema.required : []) {
    if (typeof key === "string" && !Object.hasOwn(value, key)) return `${place}: '${key}' is missing`;
  }
  const properties = isObject(schema.properties) ? schema.properties : {};
  for (const [key, item] of Object.entries(value)) {
    const known = Object.hasOwn(properties, key);
    if (!known && schema.patternProperties !== undefined) continue;
    const rule = known ? properties[key] : schema.additionalProperties;
    if (rule === false) return `${place}: '${key}' is not a parameter`;
    const found = problem(item, rule, { ...context, place: `${place}.${key}` });
    if (found) return found;
  }
  return undefined;
}

function arrayProblem(value: unknown, schema: Record<string, unknown>, context: Context): string | undefined {
  if (!Array.isArray(value)) return undefined;
  for (const [i, item] of value.entries()) {
    const found = problem(item, schema.items, { ...context, place: `${context.place}[${i}]` });
    if (found) return found;
  }
  return undefined;
}

function combinationProblem(value: unknown, schema: Record<string, unknown>, context: Context): string | undefined {
  for (const part of Array.isArray(schema.allOf) ? schema.allOf : []) {
    const found = problem(value, part, context);
    if (found) return found;
  }
  for (const keyword of ["anyOf", "oneOf"]) {
    const options = schema[keyword];
    if (!Array.isArray(options) || options.length === 0) continue;
    const problems = options.map((option) => problem(value, option, context));
    if (problems.every((found) => found !== undefined)) return problems[0];
  }
  return undefined;
}

/** The types a schema allows, its alternatives' included; none when it doesn't say. */
export function allowedTypes(schema: unknown, root: unknown): string[] {
  return collectTypes(schema, { place: "", root, depth: 0, budget: { left: MAX_RULES } });
}

function collectTypes(schema: unknown, context: Context): string[] {
  if (!isObject(schema) || context.depth > MAX_DEPTH || --context.budget.left < 0) return [];
  const inner = { ...context, depth: context.depth + 1 };
  if (typeof schema.$ref === "string") return collectTypes(resolve(schema.$ref, context.root), inner);
  const types = typesOf(schema);
  if (types.length > 0) return types;
  const fixed = Array.isArray(schema.enum) ? schema.enum : "const" in schema ? [schema.const] : [];
  if (fixed.length > 0) return [...new Set(fixed.map(typeName))];
  const options = [schema.anyOf, schema.oneOf, schema.allOf].flatMap((list) => (Array.isArray(list) ? list : []));
  return [...new Set(options.flatMap((option) => collectTypes(option, inner)))];
}

function typesOf(schema: Record<string, unknown>): string[] {
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  return types.filter((type): type is string => typeof type === "string");
}

/** `#/$defs/x`, within the tool's own schema; anything else allows all. */
function resolve(reference: string, root: unknown): unknown {
  if (!reference.startsWith("#")) return true;
  let at: unknown = root;
  for (const key of reference.slice(1).split("/").filter(Boolean)) {
    const name = key.replaceAll("~1", "/").replaceAll("~0", "~");
    at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  }
  return at ?? true;
}

/** A name that JSON Schema doesn't have (`float`, `any`) rejects nothing. */
function hasType(value: unknown, type: string): boolean {
  if (type === "integer") return Number.isInteger(value);
  const known = ["string", "number", "boolean", "object", "array", "null"].includes(type);
  return !known || typeName(value) === type;
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function sameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => sameJson(item, b[i]));
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
    );
  }
  return a === b;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
