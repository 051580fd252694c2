/** JavaScript values that no reader of arguments expects, put anywhere into values that are right. */
import type { Random } from "../helpers/random.js";

/** What a getter throws: it must arrive as it is. */
export class GetterError extends Error {}

function detached(): Uint32Array {
  const array = new Uint32Array([1, 2, 3]);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function throwing(): object {
  const fail = () => {
    throw new GetterError("from a trap");
  };
  return new Proxy([], { get: fail, has: fail, ownKeys: fail, getOwnPropertyDescriptor: fail });
}

const ODD: (() => unknown)[] = [
  ...[undefined, null, true, false, "", "x", "\ud800", "\u0000", Number.NaN, Number.POSITIVE_INFINITY].map(
    (v) => () => v,
  ),
  ...[-1, -0, 0.5, 1, 33, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 1e300, 5e-324, 1n].map((v) => () => v),
  () => Symbol("x"),
  () => () => {},
  () => ({}),
  () => Object.create(null),
  () => [],
  () => new Array(2 ** 32 - 1),
  () => Array.from({ length: 2000 }, (_, i) => i),
  () => "x".repeat(10_000),
  () => new Date(Number.NaN),
  () => new Map(),
  () => new Uint8Array(3),
  () => new Float64Array([Number.NaN]),
  () => new BigInt64Array(2),
  () => new Uint32Array(0),
  () => new Uint32Array([0, 2 ** 32 - 1]),
  () => new Uint32Array(new SharedArrayBuffer(8)),
  () => new DataView(new ArrayBuffer(4)),
  () => Promise.resolve(1),
  detached,
  revoked,
  throwing,
];

type Holder = Record<PropertyKey, unknown>;

/** A copy of `value`, a list or an object, with one to three odd values in it. `effect` is run by getters. */
export function withOddValues<T>(value: T, random: Random, effect: () => void): T {
  const root = { value: copy(value) } as Holder;
  for (let left = 1 + random(3); left > 0; left--) putOdd(root, random, effect);
  return root.value as T;
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copy);
  if (Object.getPrototypeOf(value ?? 0) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, copy(inner)]));
}

function putOdd(root: Holder, random: Random, effect: () => void): void {
  let holder = root;
  let key: string = "value";
  // By the descriptor: a getter of an earlier change is not to be asked.
  const within = () => Object.getOwnPropertyDescriptor(holder, key)?.value;
  while (isPlain(within()) && (holder === root || random(12) > 0)) {
    const inner = within() as Holder;
    const keys = Object.keys(inner);
    if (keys.length === 0) break;
    holder = inner;
    key = keys[random(keys.length)] as string;
  }
  if (holder === root) return;
  if (random(8) === 0) {
    delete holder[key];
    return;
  }
  const old = within();
  const odd = (ODD[random(ODD.length)] as () => unknown)();
  if (random(5) === 0) {
    let reads = 0;
    const get = () => {
      effect();
      if (random(4) === 0) throw new GetterError("from a getter");
      // Right when it is looked at, and odd when it is used.
      return reads++ % 2 === 0 ? old : odd;
    };
    Object.defineProperty(holder, key, { get, enumerable: true, configurable: true });
    return;
  }
  Object.defineProperty(holder, key, { value: odd, writable: true, enumerable: true, configurable: true });
}

function isPlain(value: unknown): value is Holder {
  try {
    return (
      Array.isArray(value) ||
      (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    );
  } catch {
    return false;
  }
}
