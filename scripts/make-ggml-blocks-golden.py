"""Makes tests/fixtures/gguf/blocks.json: random blocks of every quantized type, and what the package `gguf` reads in them.

    pip install gguf==0.19.0 numpy
    python scripts/make-ggml-blocks-golden.py

The values are told by the SHA-256 of their float32 bytes, with -0 written as 0.
"""

import base64
import hashlib
import json
from pathlib import Path

import gguf
import numpy as np

OUTPUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "gguf" / "blocks.json"
BLOCKS = 5
# Where a block's float16 scales and minima stand; any other byte may be anything.
HALVES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
}


def main():
    random, rows = np.random.default_rng(11), {}
    for name, places in HALVES.items():
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (BLOCKS, size), dtype=np.uint8)
        for place in places:
            halves = random.normal(0, 0.01, BLOCKS).astype(np.float16)
            # One subnormal scale.
            halves[0] = np.float16(2.0**-20)
            blocks[:, place : place + 2] = halves.view(np.uint8).reshape(BLOCKS, 2)
        exact = np.ascontiguousarray(gguf.dequantize(blocks, kind) + 0, dtype="<f4")
        rows[name] = {
            "columns": values,
            "blocks": base64.b64encode(blocks.tobytes()).decode(),
            "sha256": hashlib.sha256(exact.tobytes()).hexdigest(),
        }
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    OUTPUT.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
