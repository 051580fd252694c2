"""Makes tests/fixtures/packed: tiny llama checkpoints as AutoAWQ and GPTQ libraries pack them, and what they compute.

    pip install mlx-lm==0.32.2 mlx==0.32.4 numpy
    python scripts/make-packed-goldens.py

The packing and the dequantizer below follow the formats' descriptions and know nothing of punie's importer; mlx-lm gets
the dequantized weights, since it does not take GPTQ's. A value is scale * (code - zero point). GPTQ (Frantar et al.,
2022) may go through a layer's inputs in the order of their importance: g_idx then tells each input's group.
"""

import json
import tempfile
from pathlib import Path

import numpy as np

from goldens.random_model import prompt_ids, write_safetensors
from goldens.reference import golden_run

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
STEPS = 24
AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]

CASES = [
    # name, method, bits, hidden, inner, group, symmetric, act-order, checkpoint_format
    ("awq", "awq", 4, 96, 160, 32, False, False, None),
    ("awq-wide-groups", "awq", 4, 128, 256, 128, False, False, None),
    ("gptq-symmetric", "gptq", 4, 96, 160, 32, True, False, "gptq"),
    ("gptq-act-order", "gptq", 4, 96, 160, 32, False, True, "gptq"),
    ("gptq-v2-whole-columns", "gptq", 4, 96, 160, -1, False, False, "gptq_v2"),
    ("gptq-2-bits", "gptq", 2, 96, 160, 32, False, False, "gptq"),
    ("gptq-8-bits-act-order", "gptq", 8, 128, 128, 64, False, True, "gptq_v2"),
]


def packed_low_first(codes, bits, axis):
    """Codes to 32-bit words along an axis, the first in the lowest bits."""
    per_word = 32 // bits
    moved = np.moveaxis(codes.astype(np.uint64), axis, -1)
    words = moved.reshape(*moved.shape[:-1], -1, per_word) << (np.arange(per_word, dtype=np.uint64) * np.uint64(bits))
    return np.moveaxis(words.sum(-1).astype(np.uint32), -1, axis).view(np.int32)


def packed_awq(codes):
    """[rows, columns] to [rows, columns / 8]: in a word the columns stand in AWQ's order."""
    ordered = codes.reshape(codes.shape[0], -1, 8)[:, :, AWQ_ORDER].reshape(codes.shape)
    return packed_low_first(ordered, 4, 1)


class Checkpoint:
    def __init__(self, seed, method, bits, group, symmetric, act_order, form):
        self.random = np.random.default_rng(seed)
        self.method, self.bits, self.group, self.symmetric = method, bits, group, symmetric
        self.act_order, self.form, self.orders = act_order, form, {}
        self.packed, self.plain = [], []

    def both(self, name, dtype, array):
        for tensors in (self.packed, self.plain):
            tensors.append((name, dtype, list(array.shape), array.tobytes()))

    def floats(self, name, shape, low, high):
        self.both(name, "F16", self.random.uniform(low, high, shape).astype(np.float16))

    def groups_of_inputs(self, inputs, group, shared):
        """Layers on one input have one order, as their inputs are of the same importance."""
        if shared not in self.orders:
            order = self.random.permutation(inputs) if self.act_order else np.arange(inputs)
            groups = np.empty(inputs, np.int32)
            groups[order] = np.arange(inputs) // group
            self.orders[shared] = groups
        return self.orders[shared]

    def linear(self, path, inputs, outputs, gain, shared):
        group = inputs if self.group == -1 else self.group
        middle, top = 2 ** (self.bits - 1), 2**self.bits
        codes = self.random.integers(0, top, (inputs, outputs))
        spread = middle // 4
        # The first form of GPTQ can not store a zero point of 0.
        zeros = self.random.integers(middle - spread, middle + spread + 1, (inputs // group, outputs))
        if self.symmetric:
            zeros[:] = middle
        size = gain / np.sqrt(inputs) / middle
        scales = self.random.uniform(0.7 * size, 1.4 * size, zeros.shape).astype(np.float16)
        groups = self.groups_of_inputs(inputs, group, shared)
        values = scales[groups].astype(np.float64) * (codes - zeros[groups])
        self.plain.append((f"{path}.weight", "F32", [outputs, inputs], values.T.astype(np.float32).tobytes()))
        if self.method == "awq":
            parts = {"qweight": packed_awq(codes), "qzeros": packed_awq(zeros)}
        else:
            stored = zeros - 1 if self.form == "gptq" else zeros
            parts = {
                "qweight": packed_low_first(codes, self.bits, 0),
                "qzeros": packed_low_first(stored, self.bits, 1),
                "g_idx": groups,
                # Of zeros, though a llama has none: some libraries write it.
                "bias": np.zeros(outputs, np.float16),
            }
        for part, array in {**parts, "scales": scales}.items():
            dtype = "F16" if array.dtype == np.float16 else "I32"
            self.packed.append((f"{path}.{part}", dtype, list(array.shape), np.ascontiguousarray(array).tobytes()))


def make(seed, name, method, bits, hidden, inner, group, symmetric, act_order, form):
    heads, vocab = hidden // 32, 96
    made = Checkpoint(seed, method, bits, group, symmetric, act_order, form)
    made.floats("model.embed_tokens.weight", (vocab, hidden), -1.5, 1.5)
    prefix = "model.layers.0"
    made.floats(f"{prefix}.input_layernorm.weight", (hidden,), 0.5, 1.5)
    for layer in ("q_proj", "k_proj", "v_proj"):
        made.linear(f"{prefix}.self_attn.{layer}", hidden, hidden, 2, "attention")
    made.linear(f"{prefix}.self_attn.o_proj", hidden, hidden, 10, "attended")
    made.floats(f"{prefix}.post_attention_layernorm.weight", (hidden,), 0.5, 1.5)
    made.linear(f"{prefix}.mlp.gate_proj", hidden, inner, 2, "mlp")
    made.linear(f"{prefix}.mlp.up_proj", hidden, inner, 2, "mlp")
    made.linear(f"{prefix}.mlp.down_proj", inner, hidden, 10, "gated")
    made.floats("model.norm.weight", (hidden,), 0.5, 1.5)
    config = {
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": 1,
        "intermediate_size": inner,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "vocab_size": vocab,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
    }
    packing = {"quant_method": method, "bits": bits, "group_size": group}
    if method == "awq":
        packing |= {"version": "gemm", "zero_point": True, "modules_to_not_convert": None}
    else:
        packing |= {"checkpoint_format": form, "desc_act": act_order, "sym": symmetric}
    write(FIXTURES / "packed" / name, {**config, "quantization_config": packing}, made.packed)
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory), config, made.plain)
        run = golden_run(directory, prompt_ids(seed, 20, vocab), STEPS)
    leads = [a[0] - a[1] for a in run["logprobs"]]
    distinct = len({ids[0] for ids in run["ids"]})
    print(f"{name}: {sum(lead > 0.02 for lead in leads)} of {STEPS} steps clear, {distinct} ids, {run['bf16Error']:.5f}")
    return {"name": name, "run": run}


def write(directory, config, tensors):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    write_safetensors(directory / "model.safetensors", tensors, 0)


def main():
    rows = [make(100 + i, *case) for i, case in enumerate(CASES)]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (FIXTURES / "goldens" / "packed.golden.json").write_text(f'{{"mlxLm":"0.32.2","cases":[\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
