"""New random models from a seed, run by `punie generate` and by mlx-lm, and compared on the spot."""

import json
import random
import subprocess
import tempfile
from pathlib import Path

from .cases import BITS, GROUP_SIZES, INTERMEDIATE, RATIOS, VARIANTS, affine, config_of, geometry, spec
from .random_model import write_random_model
from .reference import golden_run

CLI = Path(__file__).resolve().parent.parent.parent / "dist" / "cli" / "main.js"
STEPS = 24
# Of a step's best ids ours may order the last differently, so we ask for more than the reference has.
LOGPROBS = 16
ROPE_SCALINGS = (
    {"type": "linear", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64},
    {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 128},
)
# Two best ids closer than this may be chosen either way.
CLEAR_LEAD = 0.02


def random_spec(rng, seed):
    """A model that the goldens need not hold: any width, group, ratio, dtype, head and prompt length."""
    model_type, group_size = rng.choice(("qwen2", "llama", "mistral", *VARIANTS)), rng.choice(GROUP_SIZES)
    dtype = rng.choice(("BF16", "F16", "F32"))
    ratio, tied, bits = rng.choice(RATIOS[group_size]), rng.random() < 0.5, rng.choice(BITS)
    own = dict(VARIANTS.get(model_type, {}))
    if model_type == "qwen2_moe":
        tied = False
    elif own or model_type == "qwen3":
        own["head_dim"] = max(64, group_size)
    shape, inner = geometry(ratio, group_size), INTERMEDIATE[group_size]
    config = config_of(model_type, shape, inner, tied, rng.randint(290, 420), **own)
    # mlx-lm wants at least one layer of full attention.
    config["num_hidden_layers"] = rng.randint(config.get("full_attention_interval", 1), 3)
    if model_type in ("qwen2", "qwen3", "llama") and rng.random() < 0.3:
        config["rope_scaling"] = rng.choice(ROPE_SCALINGS)
    quantized = rng.random() < 0.85
    if quantized:
        config["quantization"] = affine(bits, group_size)
        if rng.random() < 0.3 and model_type in ("qwen2", "qwen3", "llama"):
            config["quantization"]["model.layers.0.mlp.up_proj"] = affine(rng.choice(BITS), 32)
    width = f"{bits} bits, group {group_size}" if quantized else "unquantized"
    name = f"{model_type}, {width}, {dtype}, {ratio} query heads per key head, {'tied' if tied else 'untied'}"
    layout = {"start": rng.randrange(16), "shards": rng.choice((1, 1, 2)), "prompts": (rng.choice((1, 20, 90)),)}
    return spec(name, seed, config, dtype=dtype, **layout)


def generate(directory, prompt, count):
    """What the command line makes of a prompt of ids."""
    ids = ",".join(map(str, prompt))
    options = ["--prompt-ids", ids, "--max-tokens", str(count), "--logprobs", str(LOGPROBS), "--ignore-eos", "--json"]
    command = ["node", str(CLI), "generate", "--model", str(directory), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\nexit code {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout)["tokens"]


def compare(directory, run):
    """Steps that differ though the reference is clear, and the mean error over its best ids, on its own tokens."""
    wrong, errors, step = [], [], 0
    while step < len(run["ids"]):
        prefix = [ids[0] for ids in run["ids"][:step]]
        tokens = generate(directory, run["prompt"] + prefix, len(run["ids"]) - step)
        for token in tokens:
            ids, logprobs = run["ids"][step], run["logprobs"][step]
            ours = {best["id"]: best["logprob"] for best in token["top"]}
            errors += [abs(ours[id] - logprob) for id, logprob in zip(ids, logprobs)]
            step += 1
            if token["id"] != ids[0]:
                if logprobs[0] - logprobs[1] > CLEAR_LEAD:
                    wrong.append(step - 1)
                break
    return wrong, sum(errors) / len(errors)


def check(seed, count=20):
    """Prints a line per model and ends with exit code 1 when one fails."""
    rng, failed = random.Random(seed), 0
    for i in range(count):
        case = random_spec(rng, seed * 1000 + i)
        with tempfile.TemporaryDirectory() as directory:
            write_random_model(case, directory)
            run = golden_run(directory, case["prompts"][0], STEPS)
            wrong, error = compare(directory, run)
        good = not wrong and error <= run["bf16Error"]
        failed += not good
        verdict = "ok  " if good else "FAIL"
        where = f", other tokens at steps {wrong}" if wrong else ""
        errors = f"mean error {error:.6f}, mlx-lm's bf16 {run['bf16Error']:.6f}"
        print(f"{verdict} {case['name']}: {errors}{where}", flush=True)
    print(f"{count - failed} of {count} models agree with mlx-lm")
    if failed:
        raise SystemExit(1)
