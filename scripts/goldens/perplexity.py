"""Goldens of perplexity: mlx-lm's own evaluation, in float32, of the tiny model on a text that is like its training."""

import contextlib
import io
import math
import random

import mlx.core as mx
import numpy as np
from mlx_lm.perplexity import eval_ppl
from tokenizers import Tokenizer

from .reference import load
from .tasks import template_of
from .tiny_tasks import sample

SEQUENCE_LENGTHS = (512, 100, 64)
STRIDES = ((100, 50), (128, 96))
CONVERSATIONS = 40


def conversations(path):
    """Some conversations one after another, as the model's template writes them."""
    template, rng = template_of(path), random.Random(99)
    return "".join(template.render(messages=sample(rng)[0]) for _ in range(CONVERSATIONS))


def in_windows(model, ids, length):
    """As `python -m mlx_lm perplexity` cuts and judges a text."""
    data = mx.array(ids[: len(ids) // length * length]).reshape(-1, length)
    with contextlib.redirect_stdout(io.StringIO()):
        perplexity, error = eval_ppl(model, data)
    row = {"sequenceLength": length, "stride": length, "perplexity": perplexity, "standardError": error}
    return {**row, "scoredTokens": data.shape[0] * (length - 1)}


def overlapping(model, ids, length, stride):
    """Windows every `stride` tokens, of which each judges what none before it has."""
    losses = []
    for start in range(0, len(ids) - length + 1, stride):
        window = ids[start : start + length]
        logits = np.array(model(mx.array([window]))[0].astype(mx.float32), dtype=np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        first = 1 if start == 0 else length - stride
        losses += [-logprobs[i - 1, window[i]] for i in range(first, length)]
    perplexity = math.exp(np.mean(losses))
    error = perplexity * np.std(losses, ddof=1) / math.sqrt(len(losses))
    row = {"sequenceLength": length, "stride": stride, "perplexity": perplexity, "standardError": float(error)}
    return {**row, "scoredTokens": len(losses)}


def perplexity_golden(path, text):
    model, _ = load(path)
    ids = Tokenizer.from_file(str(path / "tokenizer.json")).encode(text).ids
    rows = [in_windows(model, ids, length) for length in SEQUENCE_LENGTHS]
    return len(ids), rows + [overlapping(model, ids, *shape) for shape in STRIDES]
