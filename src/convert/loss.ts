/** What it costs to carry over types of GGUF that MLX has no equal of. */
import type { GgmlTypeName, NativeCarriedRows } from "../native/binding-types.js";
import { CARRIED_BITS } from "./gguf/ggml-types.js";

export interface TypeLoss {
  type: GgmlTypeName;
  /** Tensors of this type. */
  tensors: number;
  /** Bits that its values have now. */
  bits: number;
  /** Root mean square of what the values changed by, as a share of the root mean square of the values. */
  relativeError: number;
}

/** Adds up what each type's tensors lost. */
export class LossAccount {
  readonly #sums = new Map<GgmlTypeName, { tensors: Set<string>; error: number; value: number }>();

  add(type: GgmlTypeName, tensor: string, { errorSquares, valueSquares }: NativeCarriedRows): void {
    if (valueSquares === 0) return;
    const sum = this.#sums.get(type) ?? { tensors: new Set(), error: 0, value: 0 };
    sum.tensors.add(tensor);
    sum.error += errorSquares;
    sum.value += valueSquares;
    this.#sums.set(type, sum);
  }

  losses(): TypeLoss[] {
    return [...this.#sums].map(([type, { tensors, error, value }]) => ({
      type,
      tensors: tensors.size,
      bits: CARRIED_BITS[type],
      relativeError: Math.sqrt(error / value),
    }));
  }
}

/** For people. */
export function lossText({ type, tensors, bits, relativeError }: TypeLoss): string {
  const error = (relativeError * 100).toPrecision(2);
  return `${type} (${tensors} tensors) became ${bits}-bit groups of 32; values changed by ${error} % (RMS)`;
}
