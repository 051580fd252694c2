"""Goldens of sampling: which ids mlx-lm's filters leave, and greedy text under its logits processors."""

import mlx.core as mx
import numpy as np
from mlx_lm.sample_utils import apply_min_p, apply_top_k, apply_top_p, make_logits_processors

from .reference import Sequence, best, load, log_softmax, rounded

STEPS = 32
FILTERS = [
    {"topP": 0.5},
    {"topP": 0.9},
    {"topP": 0.01},
    {"minP": 0.05},
    {"minP": 0.3},
    {"minP": 1.0},
    {"topK": 1},
    {"topK": 7},
    {"topP": 0.9, "minP": 0.05},
    {"topP": 0.8, "topK": 20},
    {"topP": 0.95, "minP": 0.02, "topK": 12},
]
PROCESSORS = [
    {"repetitionPenalty": 1.3},
    {"repetitionPenalty": 0.8},
    {"repetitionPenalty": 1.5, "repetitionContext": 4},
    {"repetitionPenalty": 1.2, "repetitionContext": 64},
    {"presencePenalty": 1.5},
    {"presencePenalty": -1.0, "repetitionContext": 6},
    {"frequencyPenalty": 0.8},
    {"frequencyPenalty": 0.6, "repetitionContext": 50},
    {"logitBias": [[3, 100.0]]},
    {"logitBias": [[3, 2.5], [17, -4.0], [250, 5.0]]},
    {
        "repetitionPenalty": 1.2,
        "presencePenalty": 0.4,
        "frequencyPenalty": 0.3,
        "logitBias": [[5, 3.0], [6, -3.0]],
        "repetitionContext": 12,
    },
]


def survivors(logprobs, topP=1.0, minP=0.0, topK=0):
    """The ids that mlx-lm's filters leave, in the order in which its sampler applies them."""
    values = mx.array(logprobs, dtype=mx.float32)[None]
    if topP < 1:
        values = apply_top_p(values, topP)
    if minP > 0:
        values = apply_min_p(values, minP)
    if topK > 0:
        values = apply_top_k(values, topK)
    return np.flatnonzero(np.isfinite(np.array(values[0]))).tolist()


def processed_run(
    model,
    prompt,
    repetitionPenalty=None,
    repetitionContext=20,
    presencePenalty=None,
    frequencyPenalty=None,
    logitBias=(),
):
    """Greedy tokens under the processors, and by how much the best logit led the second at each step."""
    processors = make_logits_processors(
        dict(logitBias),
        repetitionPenalty,
        repetitionContext,
        presencePenalty,
        repetitionContext,
        frequencyPenalty,
        repetitionContext,
    )
    sequence, given, seen, tokens, leads = Sequence(model), prompt, list(prompt), [], []
    for _ in range(STEPS):
        logits = sequence.next(given)[None]
        for processor in processors:
            logits = processor(mx.array(seen), logits)
        values = np.array(logits[0], dtype=np.float64)
        first, second = best(values, 2)
        tokens.append(int(first))
        leads.append(float(values[first] - values[second]))
        given = [int(first)]
        seen.append(int(first))
    return {"tokens": tokens, "leads": rounded(leads)}


def sampling_golden(spec, path):
    """Everything above for one random model and its first prompt."""
    model, _ = load(path)
    prompt = spec["prompts"][0]
    logprobs = log_softmax(Sequence(model).next(prompt))
    return {
        "model": {key: value for key, value in spec.items() if key != "prompts"},
        "prompt": prompt,
        "logprobs": rounded(logprobs),
        "filters": [{"options": row, "ids": survivors(logprobs, **row)} for row in FILTERS],
        "processors": [{"options": row, **processed_run(model, prompt, **row)} for row in PROCESSORS],
    }
