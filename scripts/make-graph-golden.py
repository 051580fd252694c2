"""Makes tests/native/graph/mlx-lm.golden.json: how many primitives mlx-lm 0.32.2 gives MLX for one token.

    pip install mlx-lm==0.32.2 mlx==0.32.4
    python scripts/make-graph-golden.py

On a CPU stream, where MLX's fast operations are spelled out: norms, rotations and attention count as their parts. By
family, for one layer and for two, of a model of four bits in groups of 64 whose sizes are those of
tests/native/graph/decode_graph.cc.
"""

import json
import tempfile
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import qwen2, qwen3
from mlx_lm.models.cache import make_prompt_cache

OUTPUT = Path(__file__).resolve().parent.parent / "tests" / "native" / "graph" / "mlx-lm.golden.json"
SIZES = {
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e4,
    "tie_word_embeddings": True,
}


def primitives(result):
    with tempfile.NamedTemporaryFile("r", suffix=".dot") as file:
        mx.export_to_dot(file.name, result)
        return file.read().count("shape=rectangle")


def count(family, layers):
    name = family.__name__.rsplit(".", 1)[-1]
    model = family.Model(family.ModelArgs.from_dict({"model_type": name, "num_hidden_layers": layers, **SIZES}))
    nn.quantize(model, 64, 4)
    mx.eval(model.parameters())
    cache = make_prompt_cache(model)
    mx.eval(model(mx.array([[1, 2, 3]]), cache=cache), [layer.state for layer in cache])
    return primitives(model(mx.array([[4]]), cache=cache)[:, -1])


if __name__ == "__main__":
    mx.set_default_device(mx.cpu)
    counts = {family.__name__.rsplit(".", 1)[-1]: [count(family, 1), count(family, 2)] for family in (qwen2, qwen3)}
    OUTPUT.write_text(json.dumps({"mlxLm": "0.32.2", "primitives": counts}) + "\n")
    print(counts)
