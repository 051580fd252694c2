"""What mlx-lm's own `convert` makes of random Hugging Face checkpoints, one for each model type.

A checkpoint's values are a hash of (seed, tensor, index) with a few exponents, the same in tests/helpers/
random-checkpoint.ts, so that the golden holds names and hashes only.
"""

import contextlib
import hashlib
import importlib
import io
import json
import tempfile
from pathlib import Path

import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm import utils

from .random_model import words, write_safetensors

DENSE = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 96,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 128,
    "shared_expert_intermediate_size": 128,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [0],
    "norm_topk_prob": True,
}
DELTA = {
    "linear_num_value_heads": 2,
    "linear_num_key_heads": 1,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 32,
    "linear_conv_kernel_dim": 4,
    "full_attention_interval": 2,
    "partial_rotary_factor": 0.25,
}
CONFIGS = {
    "llama": {**DENSE, "attention_bias": True, "mlp_bias": True},
    "qwen2": {**DENSE, "tie_word_embeddings": True},
    "qwen2_moe": {**DENSE, **EXPERTS},
    "qwen3": DENSE,
    "qwen3_moe": {**DENSE, **EXPERTS},
    "qwen3_next": {**DENSE, **EXPERTS, **DELTA},
    "qwen3_5": {**DENSE, **DELTA},
    "qwen3_5_moe": {**DENSE, **EXPERTS, **DELTA},
}
EVERY_MODE = [
    ["--bits", "2", "--group-size", "128"],
    ["--bits", "3", "--group-size", "32"],
    ["--bits", "5"],
    ["--bits", "6", "--group-size", "32"],
    ["--mode", "affine", "--bits", "8"],
    ["--mode", "mxfp4"],
    ["--mode", "mxfp8"],
    ["--mode", "nvfp4"],
    ["--mixed", "mixed_2_6"],
    ["--mixed", "mixed_3_4", "--group-size", "32"],
    ["--mixed", "mixed_3_6"],
    ["--mixed", "mixed_4_6"],
    ["--dtype", "float16", "--bits", "4"],
    ["--dtype", "float32"],
]
SHARD_BYTES = 60_000
FLOATS = {"F32": (np.uint32, 23, 8, 127), "F16": (np.uint16, 10, 5, 15), "BF16": (np.uint16, 7, 8, 127)}
OPTIONS = {
    "--bits": ("q_bits", int),
    "--group-size": ("q_group_size", int),
    "--mode": ("q_mode", str),
    "--mixed": ("quant_predicate", str),
    "--dtype": ("dtype", str),
}


def float_bits(seed, name, dtype, shape):
    """Any sign and fraction, and one of eight exponents up to 2^-1."""
    kind, fraction_bits, exponent_bits, bias = FLOATS[dtype]
    hashes = words(seed, name, int(np.prod(shape)))
    exponents = np.uint32(bias - 8) + (hashes >> np.uint32(28) & np.uint32(7))
    signs = (hashes >> np.uint32(31)) << np.uint32(fraction_bits + exponent_bits)
    fractions = hashes & np.uint32((1 << fraction_bits) - 1)
    return (signs | exponents << np.uint32(fraction_bits) | fractions).astype(kind).tobytes()


def checkpoint_tensors(model_type, config, dtype):
    """Names and shapes as Hugging Face's checkpoints have them, from those of mlx-lm's model."""
    model_class, arguments = utils._get_classes({**config, "model_type": model_type})
    model = model_class(arguments.from_dict({**config, "model_type": model_type}))
    tensors = []
    for name, value in tree_flatten(model.parameters()):
        shape = list(value.shape)
        if model_type.startswith("qwen3_5"):
            name = name.replace("language_model.model", "model.language_model").replace("language_model.lm_head", "lm_head")
        if "conv1d" in name:
            shape = [shape[0], 1, shape[1]]
        head, experts, tail = name.partition("switch_mlp.")
        if not experts:
            tensors.append([name, dtype, shape])
        elif model_type != "qwen3_5_moe":
            tensors += [[f"{head}experts.{expert}.{tail}", dtype, shape[1:]] for expert in range(shape[0])]
        elif tail.startswith("down"):
            tensors.append([f"{head}experts.down_proj", dtype, shape])
        elif tail.startswith("gate"):
            tensors.append([f"{head}experts.gate_up_proj", dtype, [shape[0], 2 * shape[1], shape[2]]])
    return tensors


def extras(model_type, config, dtype):
    """What sanitizing drops."""
    if model_type in ("llama", "qwen2"):
        yield ["model.layers.0.self_attn.rotary_emb.inv_freq", dtype, [16]]
    if config["tie_word_embeddings"]:
        yield ["lm_head.weight", dtype, [config["vocab_size"], config["hidden_size"]]]
    if model_type in ("qwen3_next", "qwen3_5", "qwen3_5_moe"):
        yield ["mtp.fc.weight", dtype, [8, 8]]
    if model_type.startswith("qwen3_5"):
        yield ["model.visual.patch_embed.weight", dtype, [8, 8]]


def source(name, seed, model_type, config, dtype, torch_dtype):
    tensors = [*checkpoint_tensors(model_type, config, dtype), *extras(model_type, config, dtype)]
    stated = {"torch_dtype": torch_dtype} if torch_dtype else {}
    if model_type.startswith("qwen3_5"):
        config = {"text_config": config, "vision_config": {"depth": 2}}
    config = {"architectures": ["Any"], "model_type": model_type, **stated, "_name_or_path": "any", **config}
    return {"name": name, "seed": seed, "config": config, "tensors": tensors}


def all_sources():
    """(checkpoint, the conversions it is put through, each a list of steps)"""
    for i, (model_type, config) in enumerate(CONFIGS.items()):
        runs = [[[]], [["--bits", "4"]], [["--mode", "mxfp4"]], [["--mixed", "mixed_3_6"]]]
        yield source(model_type, 100 + i, model_type, config, "BF16", "bfloat16"), runs
    nine = {**DENSE, "num_hidden_layers": 9, "intermediate_size": 128, "vocab_size": 40}
    yield source("nine layers of qwen3", 200, "qwen3", nine, "BF16", "bfloat16"), [[step] for step in EVERY_MODE]
    yield source("float32 said to be bfloat16", 201, "qwen2", CONFIGS["qwen2"], "F32", "bfloat16"), [[["--bits", "4"]]]
    halves = source("float16 of no stated type", 202, "llama", CONFIGS["llama"], "F16", None)
    yield halves, [[[]], [["--bits", "6"]], [["--dtype", "bfloat16", "--mode", "nvfp4"]]]
    again = [[["--bits", "4"], []], [["--bits", "4"], ["--bits", "8", "--group-size", "32"]]]
    again += [[["--mode", mode], ["--bits", "6"]] for mode in ("mxfp4", "mxfp8", "nvfp4")]
    again += [[["--bits", "4"], ["--dtype", "float32"]]]
    yield source("converted again", 203, "qwen3_moe", CONFIGS["qwen3_moe"], "BF16", "bfloat16"), again


def write_checkpoint(source, directory):
    Path(directory).mkdir(parents=True)
    (Path(directory) / "config.json").write_text(json.dumps(source["config"]))
    rows = [(name, dtype, shape, float_bits(source["seed"], name, dtype, shape)) for name, dtype, shape in source["tensors"]]
    write_safetensors(Path(directory) / "model.safetensors", rows, 3)


class Bytes(int):
    """A number of bytes where mlx-lm expects gigabytes, which it turns into bytes by a shift."""

    def __lshift__(self, _):
        return int(self)


class NoTokenizer:
    def save_pretrained(self, _):
        pass


def load_weights(path, **_):
    model, config = utils.load_model(Path(path), lazy=True)
    return model, NoTokenizer(), config


@contextlib.contextmanager
def weights_only(shard_bytes):
    """mlx-lm's convert without tokenizers and cards, and with small shards."""
    module = importlib.import_module("mlx_lm.convert")
    saved = module.load, utils.create_model_card, utils.make_shards.__defaults__
    module.load, utils.create_model_card = load_weights, lambda *_: None
    utils.make_shards.__defaults__ = (Bytes(shard_bytes),)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield module.convert
    finally:
        module.load, utils.create_model_card, utils.make_shards.__defaults__ = saved


def convert(start, steps, work, shard_bytes=SHARD_BYTES):
    """Runs the steps; a quantized directory that is to be quantized anew is dequantized first."""
    directory, quantized = start, False
    for i, step in enumerate(steps):
        given = {OPTIONS[flag][0]: OPTIONS[flag][1](value) for flag, value in zip(step[::2], step[1::2])}
        quantize = any(key != "dtype" for key in given)
        with weights_only(shard_bytes) as run:
            if quantize and quantized:
                run(str(directory), str(work / f"plain-{i}"), dequantize=True)
                directory = work / f"plain-{i}"
            run(str(directory), str(work / f"step-{i}"), quantize=quantize, **given)
        directory, quantized = work / f"step-{i}", quantized or quantize
    return directory


def digest(directory):
    """What is to be equal: config.json, the index, and of each tensor dtype, shape and bytes."""
    index = json.loads((directory / "model.safetensors.index.json").read_text())
    hashes = {}
    for file in sorted(directory.glob("model*.safetensors")):
        for name, tensor in mx.load(str(file)).items():
            content = hashlib.sha256(bytes(memoryview(tensor.flatten().view(mx.uint8)))).hexdigest()[:12]
            hashes[name] = f"{str(tensor.dtype).split('.')[-1]} {list(tensor.shape)} {content}"
    return {"config": json.loads((directory / "config.json").read_text()), "index": index, "tensors": dict(sorted(hashes.items()))}


def conversion_goldens():
    for checkpoint, runs in all_sources():
        results = []
        for steps in runs:
            with tempfile.TemporaryDirectory() as work:
                write_checkpoint(checkpoint, Path(work) / "source")
                results.append({"steps": steps, **summary(digest(convert(Path(work) / "source", steps, Path(work))))})
        print(f"{checkpoint['name']}: {len(results)} conversions")
        yield {**checkpoint, "runs": results}


def summary(full):
    """Of each tensor, in the order of names, the first six digits of a hash over shard, dtype, shape and bytes."""
    files = full["index"]["weight_map"]
    shard = {name: int(file[6:11]) if file != "model.safetensors" else 1 for name, file in files.items()}
    lines = (f"{name} {shard[name]} {text}" for name, text in full["tensors"].items())
    hashes = "".join(hashlib.sha256(line.encode()).hexdigest()[:6] for line in lines)
    metadata = full["index"]["metadata"]
    return {"quantization": full["config"].get("quantization"), "metadata": metadata, "shards": max(shard.values()), "tensors": hashes}
