"""What mlx-lm makes of a model: greedily in float32, and how far its own bfloat16 run is from that."""

from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_map
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import dequantize_model, load_model

TOP = 8

# MLX's gathered product knows only float32 on a CPU. On a GPU it sums in float32 and rounds once: so here.
_gather_mm = mx.gather_mm


def _gather_mm_in_float32(a, b, *args, **kwargs):
    return _gather_mm(a.astype(mx.float32), b.astype(mx.float32), *args, **kwargs).astype(a.dtype)


mx.gather_mm = _gather_mm_in_float32


def load(path, dtype=mx.float32):
    """The model of a directory with every floating parameter cast to `dtype`, and its config."""
    model, config = load_model(Path(path))
    cast = lambda a: a.astype(dtype) if mx.issubdtype(a.dtype, mx.floating) else a
    model.update(tree_map(cast, model.parameters()))
    for module in model.modules():
        if isinstance(module, nn.QuantizedEmbedding):
            module.__class__, module.dtype = TypedEmbedding, dtype
    return model, config


class TypedEmbedding(nn.QuantizedEmbedding):
    """Without floating scales MLX dequantizes to bfloat16, which holds every such value, and the run goes on in it."""

    def __call__(self, x):
        return super().__call__(x).astype(self.dtype)


class Sequence:
    """One sequence and its KV cache. `next(ids)` appends ids and gives float32 logits of shape [vocabulary]."""

    def __init__(self, model):
        self.model, self.cache = model, make_prompt_cache(model)

    def next(self, ids):
        return self.model(mx.array([ids]), cache=self.cache)[0, -1].astype(mx.float32)


def log_softmax(logits):
    values = np.array(logits, dtype=np.float64)
    values -= values.max()
    return values - np.log(np.exp(values).sum())


def best(values, count):
    """The ids of the largest values, largest first; of equal ones the smallest id first, as argmax has it."""
    return np.argsort(-values, kind="stable")[:count]


def rounded(values):
    return [round(float(value), 5) for value in values]


def greedy(model, prompt, count):
    """`count` greedy steps: per step the `TOP` best ids (the first is the one chosen) and their log-probabilities."""
    sequence, given, ids, logprobs = Sequence(model), prompt, [], []
    for _ in range(count):
        values = log_softmax(sequence.next(given))
        top = best(values, TOP)
        ids.append(top.tolist())
        logprobs.append(rounded(values[top]))
        given = [int(top[0])]
    return {"ids": ids, "logprobs": logprobs}


def mean_error(model, prompt, run):
    """Mean |difference| of `model`'s log-probabilities from `run`'s, over the best ids of each step, on its tokens."""
    sequence, given, errors = Sequence(model), prompt, []
    for ids, logprobs in zip(run["ids"], run["logprobs"]):
        values = log_softmax(sequence.next(given))
        errors.append(np.abs(values[ids] - np.array(logprobs)))
        given = [ids[0]]
    return float(np.mean(errors))


def golden_run(path, prompt, count, whole=False, adapt=lambda model, dtype: model):
    """A greedy float32 run with the mean error of mlx-lm's bfloat16 run on the same tokens.

    MLX's quantized product on a CPU sums in bfloat16, its float product in float32, as on a GPU: the better one counts.
    `whole` computes with dequantized weights only: the same numbers, much sooner for a large model.
    `adapt(model, dtype)` may change each of the models.
    """
    model, _ = load(path)
    run = greedy(adapt(dequantize_model(model) if whole else model, mx.float32), prompt, count)
    errors = []
    for dequantized in (True,) if whole else (False, True):
        model, _ = load(path, mx.bfloat16)
        model = adapt(dequantize_model(model) if dequantized else model, mx.bfloat16)
        errors.append(mean_error(model, prompt, run))
    return {"prompt": prompt, **run, "bf16Error": round(min(errors), 6)}
