/** The library's runtime values, as far as they are looked at here; its classes for them are not exported. */
import { Environment } from "@huggingface/jinja";

export interface JinjaValue {
  type: string;
  value: unknown;
}

type ValueClass<T> = new (value: T) => JinjaValue & { value: T };

const environment = new Environment();

function classOf<T>(sample: T): ValueClass<T> {
  return environment.set(`sample ${typeof sample} ${String(sample)}`, sample).constructor as ValueClass<T>;
}

export const StringValue = classOf<string>("a");
export const BooleanValue = classOf<boolean>(true);
export const IntegerValue = classOf<number>(1);
export const FloatValue = classOf<number>(0.5);
export const ArrayValue = classOf<JinjaValue[]>([]);
export const ObjectValue = classOf<object>({}) as unknown as ValueClass<Map<string, JinjaValue>>;
export const NullValue = classOf<null>(null);
export const FunctionValue = classOf<unknown>(() => null) as unknown as ValueClass<
  (args: JinjaValue[], scope: unknown) => JinjaValue
>;

/** Of integers that JavaScript rounds: the digits that they were written in. */
export const DIGITS = new WeakMap<JinjaValue, string>();

export const UNDEFINED = environment.lookupVariable("nothing") as unknown as JinjaValue;

/** Jinja's tests by name, of all environments. */
export const TESTS = environment.tests as unknown as Map<string, (value: JinjaValue, other: JinjaValue) => boolean>;

/** @throws Error where there is none of the name. */
export function testNamed(name: string): (value: JinjaValue, other: JinjaValue) => boolean {
  const test = TESTS.get(name);
  if (!test) throw new Error(`knows no test '${name}'`);
  return test;
}

/** In Python a boolean is a number too. */
export function isNumber({ value }: JinjaValue): boolean {
  return typeof value === "number" || typeof value === "boolean";
}

/** The value's type, for messages. */
export function typeName({ type }: JinjaValue): string {
  return type.replace(/Value$/, "").toLowerCase();
}

/** Python's `bool`. */
export function isTrue(value: JinjaValue): boolean {
  return (value as unknown as { __bool__(): { value: boolean } }).__bool__().value;
}

/** The map behind a dict (or namespace, or keyword arguments), if that is what the value is. */
export function entriesOf(value: JinjaValue): Map<string, JinjaValue> | undefined {
  return value.value instanceof Map ? value.value : undefined;
}
