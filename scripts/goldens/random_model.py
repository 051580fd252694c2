"""Random models from a seed: the same tensors, bit for bit, as tests/helpers/random-model.ts writes.

A number is a hash of (seed, tensor name, index), cut to as many significant bits as its dtype holds and scaled by a
power of two. So every value is exact in its dtype, and no rounding has to agree between the two languages.
"""

import json
from pathlib import Path

import numpy as np

GOLDEN_RATIO = 0x9E3779B9
SIGNIFICANT_BITS = {"F32": 24, "F16": 11, "BF16": 8}


def hash_of_text(text):
    """FNV-1a over UTF-8, 32 bits."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def words(seed, name, count):
    """`count` uint32 values: an integer hash with good avalanche over a counter."""
    x = np.arange(count, dtype=np.uint32) * np.uint32(GOLDEN_RATIO) + np.uint32(hash_of_text(f"{seed}/{name}"))
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def prompt_ids(seed, count, vocab_size):
    return (words(seed, "prompt", count) % np.uint32(vocab_size)).tolist()


def to_bytes(values, dtype):
    single = values.astype(np.float32)
    if dtype == "F32":
        return single.tobytes()
    if dtype == "F16":
        return single.astype(np.float16).tobytes()
    return (single.view(np.uint32) >> np.uint32(16)).astype(np.uint16).tobytes()


class Writer:
    """Collects a model's tensors as (name, dtype, shape, bytes)."""

    def __init__(self, spec):
        self.seed, self.dtype, self.scales_dtype = spec["seed"], spec["dtype"], spec.get("scalesDtype", spec["dtype"])
        self.plain = spec.get("plain", [])
        self.quantization = spec["config"].get("quantization")
        self.tensors = []

    def add(self, name, dtype, shape, values):
        self.tensors.append((name, dtype, shape, values))

    def uniform(self, name, shape, exponent):
        """Values in [-2^exponent, 2^exponent)."""
        bits = SIGNIFICANT_BITS[self.dtype]
        integers = (words(self.seed, name, int(np.prod(shape))) >> np.uint32(32 - bits)).astype(np.float64)
        values = (integers - 2.0 ** (bits - 1)) * 2.0 ** (exponent - bits + 1)
        self.add(name, self.dtype, shape, to_bytes(values, self.dtype))

    def around_one(self, name, size):
        """Values in [0.5, 1.5): a norm's weight."""
        bits = SIGNIFICANT_BITS[self.dtype]
        integers = (words(self.seed, name, size) >> np.uint32(33 - bits)).astype(np.float64)
        self.add(name, self.dtype, [size], to_bytes(0.5 + integers * 2.0 ** (1 - bits), self.dtype))

    def magnitudes(self, name, shape, exponent, signs):
        """Values in ±[2^exponent, 2^(exponent + 1))."""
        bits = SIGNIFICANT_BITS[self.scales_dtype]
        integers = (words(self.seed, name, int(np.prod(shape))) >> np.uint32(33 - bits)).astype(np.float64)
        values = signs * (integers + 2.0 ** (bits - 1)) * 2.0 ** (exponent - bits + 1)
        self.add(name, self.scales_dtype, shape, to_bytes(values, self.scales_dtype))

    def mode_of(self, path):
        if self.quantization is None or path in self.plain:
            return None
        return self.quantization.get(path, self.quantization) or None

    def matrix(self, path, rows, columns, gain):
        """A linear's or an embedding's weight; entries of size about 2^(gain - 1) / sqrt(columns)."""
        self.matrices(path, [rows], columns, gain)

    def stack(self, path, count, rows, columns, gain):
        self.matrices(path, [count, rows], columns, gain)

    def matrices(self, path, rows, columns, gain):
        exponent = gain - columns.bit_length() // 2
        mode = self.mode_of(path)
        if mode is None:
            return self.uniform(f"{path}.weight", [*rows, columns], exponent)
        bits, groups = mode["bits"], [*rows, columns // mode["group_size"]]
        packed = [*rows, columns * bits // 32]
        if mode.get("mode", "affine") != "affine":
            return self.small_floats(path, packed, groups, exponent, mode)
        self.add(f"{path}.weight", "U32", packed, words(self.seed, f"{path}.weight", int(np.prod(packed))).tobytes())
        # Either sign of scale occurs in MLX's files; the bias then puts the group's middle near zero.
        scale_words = words(self.seed, f"{path}.scales", int(np.prod(groups)))
        signs = 1.0 - 2.0 * (scale_words & np.uint32(1)).astype(np.float64)
        self.magnitudes(f"{path}.scales", groups, exponent - bits, signs)
        self.magnitudes(f"{path}.biases", groups, exponent - 1, -signs)

    def small_floats(self, path, packed, groups, exponent, mode):
        """The modes whose scales are bytes; a layer's row may ask for a global scale, or one of each expert."""
        data = words(self.seed, f"{path}.weight", int(np.prod(packed)))
        scales = words(self.seed, f"{path}.scales", int(np.prod(groups)))
        if mode["bits"] == 8:
            data &= np.uint32(0xFEFEFEFE)  # E4M3's NaN has all bits set but the sign
        self.add(f"{path}.weight", "U32", packed, data.tobytes())
        # E8M0: an exponent with a bias of 127. E4M3: one of 4 bits, with a bias of 7, and 3 bits of fraction.
        with_global = mode.get("global_scale", False)
        if mode["mode"] == "nvfp4":
            exponents = scales % np.uint32(3) + np.uint32(max(0, 4 + exponent + 4 * with_global))
            codes = (exponents << np.uint32(3)) | (scales >> np.uint32(29))
        else:
            codes = scales % np.uint32(3) + np.uint32(127 + exponent - (3 if mode["bits"] == 4 else 8))
        self.add(f"{path}.scales", "U8", groups, codes.astype(np.uint8).tobytes())
        if with_global:
            shape = packed[:-2]
            fractions = (words(self.seed, f"{path}.global_scale", int(np.prod(shape))) >> np.uint32(24)).astype(np.float32)
            self.add(f"{path}.global_scale", "F32", shape, (168 + fractions / 2).astype(np.float32).tobytes())


def tensors_of(spec):
    """The tensors that `spec["plan"]` lists: rows of [what, name, ...], see plans.py."""
    out = Writer(spec)
    write = {"matrix": out.matrix, "stack": out.stack, "uniform": out.uniform, "norm": out.around_one}
    for what, *arguments in spec["plan"]:
        write[what](*arguments)
    return out.tensors


def write_safetensors(path, tensors, start):
    """Tensors one after the other, unaligned as MLX writes them; `start`: the first one's offset modulo 16."""
    header, offset = {"__metadata__": {"format": "mlx"}}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * ((start - 8 - len(text)) % 16)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for *_, data in tensors:
            file.write(data)


def write_random_model(spec, directory):
    """Writes config.json and the weights that `spec` (a row of the goldens) describes."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(spec["config"]))
    tensors, shards, start = tensors_of(spec), spec.get("shards", 1), spec.get("start", 0)
    if shards == 1:
        return write_safetensors(directory / "model.safetensors", tensors, start)
    weight_map = {}
    for shard in range(shards):
        name = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = tensors[shard::shards]
        write_safetensors(directory / name, part, start)
        weight_map |= {tensor[0]: name for tensor in part}
    index = {"metadata": {"total_size": sum(len(tensor[3]) for tensor in tensors)}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
