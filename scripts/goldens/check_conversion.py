"""New random checkpoints from a seed, converted by mlx-lm and by punie's own converter, and compared on the spot."""

import json
import random
import subprocess
import tempfile
from pathlib import Path

from .conversion import CONFIGS, convert, digest, source, summary, write_checkpoint

ROOT = Path(__file__).resolve().parent.parent.parent
WIDTHS, GROUPS = (2, 3, 4, 5, 6, 8), (32, 64, 128)
RECIPES = ("mixed_2_6", "mixed_3_4", "mixed_3_6", "mixed_4_6")
TORCH_DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


def random_step(rng):
    """The options of one conversion."""
    group = ["--group-size", str(rng.choice(GROUPS))] if rng.random() < 0.6 else []
    step = rng.choice(
        (
            [],
            ["--bits", str(rng.choice(WIDTHS)), *group],
            ["--bits", str(rng.choice(WIDTHS)), *group],
            ["--mixed", rng.choice(RECIPES), *group],
            ["--mode", rng.choice(("mxfp4", "mxfp8", "nvfp4"))],
        )
    )
    return [*step, *(["--dtype", rng.choice(list(TORCH_DTYPES.values()))] if rng.random() < 0.3 else [])]


def random_checkpoint(rng, seed):
    """A checkpoint that the goldens need not hold: any sizes, layers, experts and stored type."""
    model_type = rng.choice(list(CONFIGS))
    config = dict(CONFIGS[model_type])
    inner = rng.choice((96, 128, 192, 256, 384))
    config |= {
        "hidden_size": rng.choice((64, 96, 128, 192, 256)),
        "num_hidden_layers": rng.randint(2, 9),
        "intermediate_size": inner,
        "vocab_size": rng.randint(40, 200),
        "num_attention_heads": rng.choice((2, 4, 6)),
        "num_key_value_heads": rng.choice((1, 2)),
        "tie_word_embeddings": rng.random() < 0.5 and model_type != "qwen2_moe",
    }
    if model_type in ("qwen2", "qwen2_moe"):
        config["hidden_size"] = config["num_attention_heads"] * config["head_dim"]
    if "num_experts" in config:
        config |= {"num_experts": rng.choice((2, 3, 5)), "moe_intermediate_size": rng.choice((32, 64, 128))}
        config |= {"shared_expert_intermediate_size": rng.choice((64, 128)), "mlp_only_layers": rng.choice(([], [0]))}
    dtype = rng.choice(list(TORCH_DTYPES))
    stated = rng.choice((TORCH_DTYPES[dtype], rng.choice(list(TORCH_DTYPES.values())), None))
    made = source(f"{model_type}, {dtype} said to be {stated}", seed, model_type, config, dtype, stated)
    if model_type.startswith("qwen3_5") and config["tie_word_embeddings"]:
        # mlx-lm refuses of a tied one what it drops for the other types.
        made["tensors"] = [row for row in made["tensors"] if row[0] != "lm_head.weight"]
    return made


def punie_converts(directory, step, output, shard_bytes):
    names = {"--bits": "bits", "--group-size": "groupSize", "--mode": "mode", "--mixed": "mixed", "--dtype": "dtype"}
    given = {names[flag]: int(value) if value.isdigit() else value for flag, value in zip(step[::2], step[1::2])}
    request = json.dumps({"source": str(directory), "output": str(output), "shardBytes": shard_bytes, **given})
    command = ["node", str(ROOT / "scripts" / "goldens" / "convert.mjs"), request]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("PunieError: ")]
    return errors[-1] if errors else done.stderr.strip() or f"exit code {done.returncode}"


def differences(mine, theirs):
    if mine["index"]["metadata"] != theirs["index"]["metadata"]:
        yield f"metadata {mine['index']['metadata']} {theirs['index']['metadata']}"
    for key in ("quantization", "quantization_config"):
        if mine["config"].get(key) != theirs["config"].get(key):
            yield f"{key} {mine['config'].get(key)} {theirs['config'].get(key)}"
    if mine["index"]["weight_map"] != theirs["index"]["weight_map"]:
        yield "the split into shards"
    names = mine["tensors"].keys() | theirs["tensors"].keys()
    wrong = sorted(name for name in names if mine["tensors"].get(name) != theirs["tensors"].get(name))
    if wrong:
        first = wrong[0]
        yield f"{len(wrong)} tensors, first {first}: {mine['tensors'].get(first)} {theirs['tensors'].get(first)}"


def check_conversions(seed, count=20):
    """Prints a line per conversion and ends with exit code 1 when one differs."""
    rng, failed, refused = random.Random(seed), 0, 0
    for i in range(count):
        checkpoint, step = random_checkpoint(rng, seed * 1000 + i), random_step(rng)
        shard_bytes = rng.choice((20_000, 60_000, 200_000, 10**9))
        name = f"{checkpoint['name']}, {' '.join(step) or 'no options'}"
        with tempfile.TemporaryDirectory() as work:
            work = Path(work)
            write_checkpoint(checkpoint, work / "source")
            problem = punie_converts(work / "source", step, work / "punie", shard_bytes)
            try:
                theirs = digest(convert(work / "source", [step], work, shard_bytes))
            except ValueError as error:
                # What mlx-lm can't quantize must be refused by both.
                refused += problem is not None
                failed += problem is None
                print(f"{'ok  ' if problem else 'FAIL'} {name}: mlx-lm refuses it, {' '.join(str(error).split())}; {problem}", flush=True)
                continue
            found = [problem] if problem else list(differences(digest(work / "punie"), theirs))
        failed += bool(found)
        tensors = f"{len(theirs['tensors'])} tensors in {summary(theirs)['shards']} shards"
        print(f"{'FAIL' if found else 'ok  '} {name}: {tensors}{''.join('; ' + text for text in found)}", flush=True)
    print(f"{count - failed} of {count} conversions are mlx-lm's to the byte ({refused} refused by both)")
    if failed:
        raise SystemExit(1)
