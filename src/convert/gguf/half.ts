/** Exact arithmetic on the bits of IEEE 754 float16 numbers: 1 sign, 5 exponent, 10 fraction. */

const SIGN = 0x8000;
const EXPONENT_MAX = 31;
const FRACTION_BITS = 10;
const HIDDEN_BIT = 1 << FRACTION_BITS;
export const HALF_INFINITY = EXPONENT_MAX << FRACTION_BITS;

/** False for infinities and NaN. */
export function isFiniteHalf(bits: number): boolean {
  return (bits & HALF_INFINITY) !== HALF_INFINITY;
}

/** −x · 2^log2 for a finite x and log2 ≥ 0; an infinity where that overflows, else exact. */
export function negatedHalfTimesPowerOfTwo(bits: number, log2: number): number {
  const sign = (bits & SIGN) ^ SIGN;
  let exponent = (bits >> FRACTION_BITS) & EXPONENT_MAX;
  let fraction = bits & (HIDDEN_BIT - 1);
  let left = log2;
  if (exponent === 0) {
    // A subnormal number doubles by a shift, until its top bit becomes the hidden one: then its exponent is 1.
    for (; left > 0 && fraction < HIDDEN_BIT; left--) fraction <<= 1;
    if (fraction < HIDDEN_BIT) return sign | fraction;
    exponent = 1;
    fraction -= HIDDEN_BIT;
  }
  exponent += left;
  return exponent >= EXPONENT_MAX ? sign | HALF_INFINITY : sign | (exponent << FRACTION_BITS) | fraction;
}
