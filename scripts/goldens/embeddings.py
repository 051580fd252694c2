"""Goldens of embeddings: mlx-lm's hidden states in float32, after the final norm, pooled and cut as their users do."""

import tempfile

import mlx.core as mx
import numpy as np
from tokenizers import Tokenizer

from .cases import affine, config_of, geometry, spec
from .random_model import write_random_model
from .reference import load

INSTRUCTION = "Given a question, find passages that answer it"
TEXTS = [
    {"text": "What is the capital of France?"},
    {"text": "The capital of France is Paris."},
    {"text": "def add(a, b):\n    return a + b\n" * 12},
    {"text": "What is the capital of France?", "instruction": INSTRUCTION},
    {"text": "x", "dimensions": 32},
    {"text": "Count to 7.", "pooling": "mean"},
    {"text": "Write a Python function that adds x and y.", "pooling": "mean", "dimensions": 100},
]
END_TOKEN = "<|endoftext|>"
# Prompts of one token and of more than a prefill chunk, too.
PROMPTS = (1, 20, 300)


def vector(model, ids, pooling, dimensions=None):
    states = np.array(model.model(mx.array([ids]))[0].astype(mx.float32), dtype=np.float64)
    pooled = states[-1] if pooling == "last" else states.mean(axis=0)
    cut = pooled[:dimensions]
    return [round(float(value), 6) for value in cut / np.linalg.norm(cut)]


def text_rows(path):
    """Of texts; what is read last is an end token."""
    model, _ = load(path)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    rows = []
    for case in TEXTS:
        pooling, instruction = case.get("pooling", "last"), case.get("instruction")
        text = case["text"] if instruction is None else f"Instruct: {instruction}\nQuery:{case['text']}"
        ids = tokenizer.encode(text).ids + ([tokenizer.token_to_id(END_TOKEN)] if pooling == "last" else [])
        rows.append({**case, "vector": vector(model, ids, pooling, case.get("dimensions"))})
    return rows


def model_cases():
    small, wide = geometry(2, 64), geometry(4, 64)
    for i, (model_type, shape, tied, quantization, dtype) in enumerate(
        [
            ("qwen2", wide, True, affine(4, 64), "BF16"),
            ("qwen3", small, True, affine(8, 64), "F16"),
            ("qwen3", wide, False, affine(4, 32), "BF16"),
            ("llama", small, True, None, "F32"),
        ]
    ):
        config = config_of(model_type, shape, 192, tied, 320)
        if model_type == "qwen3":
            config["head_dim"] = 64
        if quantization is not None:
            config["quantization"] = quantization
        width = f"{quantization['bits']} bits" if quantization else "unquantized"
        yield spec(f"{model_type}, {width}, {'tied' if tied else 'untied'}", 8000 + 10 * i, config, dtype, PROMPTS)


def model_rows():
    for case in model_cases():
        with tempfile.TemporaryDirectory() as directory:
            write_random_model(case, directory)
            model, _ = load(directory)
            runs = [
                {"ids": ids, "last": vector(model, ids, "last"), "mean": vector(model, ids, "mean")}
                for ids in case.pop("prompts")
            ]
        yield {**case, "runs": runs}
