"""mlx-lm.py JOB: times mlx-lm as it comes, greedy; the job as in work.mjs; prints one JSON line.

Keep its counts small: off Apple's GPUs it makes a few tokens a second at best.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model

job = json.loads(sys.argv[1])
prompt_tokens, generate_tokens, vocabulary = job["promptTokens"], job["generateTokens"], job["vocabSize"]
begin = time.perf_counter()
model, _ = load_model(Path(job["model"]))
mx.eval(model.parameters())
load_seconds = time.perf_counter() - begin
cache = make_prompt_cache(model)
prompt = mx.array([[(i * 7919 + 13 + job["seed"]) % vocabulary for i in range(prompt_tokens)]])


def next_token(ids):
    token = mx.argmax(model(ids, cache=cache)[:, -1], -1, keepdims=True)
    mx.eval(token)
    return token


start = time.perf_counter()
token = next_token(prompt)
first = time.perf_counter()
for _ in range(generate_tokens):
    token = next_token(token)
end = time.perf_counter()
result = {
    "loadMs": load_seconds * 1000,
    "promptTokensPerSecond": prompt_tokens / (first - start),
    "generationTokensPerSecond": generate_tokens / (end - first),
    # Linux counts in KiB, macOS in bytes.
    "peakMemoryBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
}
print(json.dumps(result), flush=True)
# Python's own end destroys MLX's state under its threads, and now and then crashes.
os._exit(0)
