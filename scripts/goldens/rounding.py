"""What MLX's quantize makes of floats of every kind in the modes of small floats, as hashes.

The floats are made of hashes by operations on integers only, the same in tests/unit/convert/small-floats.test.ts.
"""

import hashlib

import mlx.core as mx
import numpy as np

from .random_model import words

COLUMNS, ROWS = 64, 256
MODES = (("mxfp4", 4, 32), ("mxfp8", 8, 32), ("nvfp4", 4, 16))
# Of each type: its bits, those of its fraction and of its exponent.
TYPES = {"BF16": (mx.bfloat16, 16, 7, 8), "F16": (mx.float16, 16, 10, 5), "F32": (mx.float32, 32, 23, 8)}
# any: every finite number. close: within a group of 16 of about one size. halfway: the same with 3 bits of fraction,
# which often lie in the middle between two codes. subnormal: those below the least normal number.
KINDS = ("any", "close", "halfway", "subnormal")


def floats(dtype, kind):
    _, bits, fraction_bits, exponent_bits = TYPES[dtype]
    name, count, top = f"{dtype}/{kind}", ROWS * COLUMNS, (1 << exponent_bits) - 1
    hashes = words(1, name, count).astype(np.int64)
    raw = hashes >> (32 - bits)
    sign, exponent = raw >> (bits - 1), raw >> fraction_bits & top
    fraction = raw & ((1 << fraction_bits) - 1)
    if kind == "any":
        exponent -= exponent == top
    elif kind == "subnormal":
        exponent = np.zeros_like(exponent)
    else:
        of_group = np.repeat(words(1, f"{name}/groups", count // 16).astype(np.int64) % top, 16)
        exponent = np.maximum(of_group - (hashes & 3), 0)
    if kind == "halfway":
        fraction &= 7 << (fraction_bits - 3)
    values = sign << (bits - 1) | exponent << fraction_bits | fraction
    # Some groups of 32 are zeros.
    values[np.arange(count) // 32 % 7 == 6] = 0
    return values.astype(np.uint16 if bits == 16 else np.uint32)


def rounding_rows():
    digest = lambda array: hashlib.sha256(bytes(memoryview(array.flatten().view(mx.uint8)))).hexdigest()[:12]
    for dtype in TYPES:
        for kind in KINDS:
            values = mx.array(floats(dtype, kind)).view(TYPES[dtype][0]).reshape(ROWS, COLUMNS)
            for mode, bits, group_size in MODES:
                codes, scales = mx.quantize(values, group_size, bits, mode=mode, stream=mx.cpu)
                quantize = {"mode": mode, "bits": bits, "groupSize": group_size}
                yield {"dtype": dtype, "kind": kind, "quantize": quantize, "data": digest(codes), "scales": digest(scales)}
