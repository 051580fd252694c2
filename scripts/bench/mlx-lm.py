"""mlx-lm.py MODEL_DIRECTORY PROMPT_TOKENS GENERATE_TOKENS: times mlx-lm as it comes, greedy; prints one JSON line.

Needs `pip install mlx==0.32.4 mlx-cpu==0.32.4 mlx-lm==0.32.2`. Keep the counts small: off Apple's GPUs it makes a few
tokens a second at best.
"""

import json
import os
import sys
import time
from pathlib import Path

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

directory, prompt_tokens, generate_tokens = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
model, config = load_model(directory)
cache = make_prompt_cache(model)
prompt = mx.array([[(i * 7919 + 13) % (config["vocab_size"] - 256) for i in range(prompt_tokens)]])


def next_token(ids):
    token = mx.argmax(model(ids, cache=cache)[:, -1], -1, keepdims=True)
    mx.eval(token)
    return token


begin = time.perf_counter()
token = next_token(prompt)
first = time.perf_counter()
for _ in range(generate_tokens):
    token = next_token(token)
end = time.perf_counter()
rates = {"prompt": prompt_tokens / (first - begin), "generation": generate_tokens / (end - first)}
print(json.dumps(rates), flush=True)
# Python's own end destroys MLX's state under its threads, and now and then crashes.
os._exit(0)
