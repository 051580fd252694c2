"""Goldens of adapters: random models with random adapters, run by mlx-lm's own LoRA and DoRA layers in float32.

mlx-lm loads its own adapters. PEFT's are put into its layers by hand, transposed, with the scale that PEFT documents:
lora_alpha / r, or lora_alpha / sqrt(r) with use_rslora.
"""

import json
import math
import tempfile
from pathlib import Path

import mlx.core as mx
from mlx.utils import tree_map, tree_unflatten
from mlx_lm.tuner.dora import DoRALinear
from mlx_lm.tuner.lora import LoRALinear
from mlx_lm.tuner.utils import load_adapters

from .cases import SHARED, affine, config_of, geometry, spec
from .random_model import tensors_of, write_random_model, write_safetensors
from .reference import golden_run

STEPS = 16
ALL = "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj mlp.gate_proj mlp.up_proj mlp.down_proj".split()
SOME = ["self_attn.q_proj", "self_attn.v_proj"]


def sizes(plan):
    """Outputs and inputs of every matrix, by its path."""
    return {row[1]: (row[2], row[3]) for row in plan if row[0] == "matrix"}


def stacks(plan):
    """Experts, outputs and inputs of every stack of matrices, by its path."""
    return {row[1]: row[2:5] for row in plan if row[0] == "stack"}


def adapter_plan(layers, model_plan, peft, dora, rank_of):
    """The tensors of an adapter, of about the weight of what they add to."""
    rows, shapes, of_experts = [], sizes(model_plan), stacks(model_plan)
    for path in layers:
        if path in of_experts:
            (count, outputs, inputs), rank = of_experts[path], rank_of(path)
            rows.append(["uniform", f"{path}.lora_a", [count, rank, inputs], -(inputs.bit_length() // 2)])
            rows.append(["uniform", f"{path}.lora_b", [count, outputs, rank], -(rank.bit_length() // 2) - 1])
            continue
        (outputs, inputs), rank = shapes[path], rank_of(path)
        name = f"base_model.model.{path}.lora_" if peft else f"{path}.lora_"
        of_a, of_b = -(inputs.bit_length() // 2), -(rank.bit_length() // 2) - 1
        if peft:
            rows.append(["uniform", f"{name}A.weight", [rank, inputs], of_a])
            rows.append(["uniform", f"{name}B.weight", [outputs, rank], of_b])
        else:
            rows.append(["uniform", f"{name}a", [inputs, rank], of_a])
            rows.append(["uniform", f"{name}b", [rank, outputs], of_b])
        if dora:
            rows.append(["norm", f"{name}magnitude_vector" if peft else f"{path}.m", outputs])
    return rows


def mlx_adapter(model_spec, keys, num_layers, rank, scale, dora=False, dtype="F32", others=()):
    last = range(model_spec["config"]["num_hidden_layers"])[-num_layers:]
    layers = [f"model.layers.{layer}.{key}" for layer in last for key in keys] + list(others)
    parameters = {"rank": rank, "scale": scale, "dropout": 0.0, "keys": [*keys, *others]}
    config = {"fine_tune_type": "dora" if dora else "lora", "num_layers": num_layers, "lora_parameters": parameters}
    plan = adapter_plan(layers, model_spec["plan"], False, dora, lambda _: rank)
    return {"file": "adapters.safetensors", "seed": model_spec["seed"] + 1, "dtype": dtype, "config": config, "plan": plan}


def peft_adapter(model_spec, keys, rank, alpha, dora=False, rslora=False, dtype="F32", ranks=(), alphas=(), others=()):
    layers = [f"model.layers.{i}.{key}" for i in range(model_spec["config"]["num_hidden_layers"]) for key in keys]
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "use_dora": dora, "use_rslora": rslora, "bias": "none"}
    config |= {"fan_in_fan_out": False, "init_lora_weights": True, "modules_to_save": None, "target_modules": list(keys)}
    config |= {"rank_pattern": dict(ranks), "alpha_pattern": dict(alphas)}
    plan = adapter_plan([*layers, *others], model_spec["plan"], True, dora, lambda path: of(config, "r", path))
    return {
        "file": "adapter_model.safetensors",
        "seed": model_spec["seed"] + 1,
        "dtype": dtype,
        "config": config,
        "plan": plan,
    }


def of(config, field, path):
    """PEFT's rank or alpha of a layer."""
    patterns = config["rank_pattern" if field == "r" else "alpha_pattern"]
    return next((value for key, value in patterns.items() if path == key or path.endswith("." + key)), config[field])


def adapter_cases():
    small, wide, q4 = geometry(2, 64), geometry(4, 64), affine(4, 64)
    biases = {"attention_bias": True, "mlp_bias": True}

    def model(name, seed, model_type, shape, tied, quantization, **extra):
        config = config_of(model_type, shape, 192, tied, 320, **extra)
        if model_type == "qwen3":
            config["head_dim"] = 64
        if quantization is not None:
            config["quantization"] = quantization
        return spec(name, seed, config)

    base = model("qwen2, 4 bits, LoRA of mlx-lm on all layers", 9000, "qwen2", wide, True, q4)
    yield base, mlx_adapter(base, ALL, 2, 8, 4.0)
    base = model("llama with biases, 8 bits, DoRA of mlx-lm", 9010, "llama", wide, True, affine(8, 64), **biases)
    yield base, mlx_adapter(base, ALL, 2, 4, 2.0, dora=True, dtype="BF16")
    base = model("qwen3, unquantized, DoRA of mlx-lm, some keys of the last layer", 9020, "qwen3", small, True, None)
    yield base, mlx_adapter(base, SOME, 1, 8, 20.0, dora=True)
    base = model("llama, 6 bits, LoRA of mlx-lm of rank 3, lm_head too", 9030, "llama", small, False, affine(6, 64))
    yield base, mlx_adapter(base, SOME, 2, 3, 8.0, dtype="F16", others=["lm_head"])
    name = "qwen2_moe, 4 bits, LoRA of mlx-lm on experts, their gates and all else"
    base = model(name, 9060, "qwen2_moe", small, False, q4, **SHARED)
    layer = "model.layers.1."
    everything = [path.removeprefix(layer) for path in [*sizes(base["plan"]), *stacks(base["plan"])] if layer in path]
    yield base, mlx_adapter(base, everything, 2, 4, 4.0)
    base = model("qwen2, 4 bits, LoRA of PEFT with patterns", 9040, "qwen2", wide, True, q4)
    ranks, alphas = {"k_proj": 2, "layers.1.mlp.up_proj": 16}, {"v_proj": 40}
    yield base, peft_adapter(base, ALL, 8, 16, ranks=ranks.items(), alphas=alphas.items())
    base = model("qwen3, 4 bits, rank-stabilized DoRA of PEFT", 9050, "qwen3", wide, False, q4)
    yield base, peft_adapter(base, ALL, 16, 8, dora=True, rslora=True, dtype="BF16", others=["lm_head"])


def write_adapter(adapter, directory):
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "adapter_config.json").write_text(json.dumps(adapter["config"]))
    layout = {"seed": adapter["seed"], "dtype": adapter["dtype"], "config": {}, "plan": adapter["plan"]}
    write_safetensors(directory / adapter["file"], tensors_of(layout), 5)


def attach_peft(model, directory):
    config = json.loads((directory / "adapter_config.json").read_text())
    tensors = mx.load(str(directory / "adapter_model.safetensors"))
    modules, replaced = dict(model.named_modules()), []
    for name in tensors:
        if not name.endswith(".lora_A.weight"):
            continue
        base = name.removesuffix(".lora_A.weight")
        path = base.removeprefix("base_model.model.")
        rank = tensors[name].shape[0]
        scale = of(config, "lora_alpha", path) / (math.sqrt(rank) if config["use_rslora"] else rank)
        layer = (DoRALinear if config["use_dora"] else LoRALinear).from_base(modules[path], r=rank, scale=scale)
        layer.lora_a, layer.lora_b = tensors[name].T, tensors[f"{base}.lora_B.weight"].T
        if config["use_dora"]:
            layer.m = tensors[f"{base}.lora_magnitude_vector"]
        replaced.append((path, layer))
    model.update_modules(tree_unflatten(replaced))


def attach(model, directory, dtype):
    """The model with the adapter, everything in `dtype`."""
    peft = (directory / "adapter_model.safetensors").exists()
    attach_peft(model, directory) if peft else load_adapters(model, str(directory))
    cast = lambda a: a.astype(dtype) if mx.issubdtype(a.dtype, mx.floating) else a
    model.update(tree_map(cast, model.parameters()))
    model.eval()
    return model


def adapter_rows():
    for base, adapter in adapter_cases():
        with tempfile.TemporaryDirectory() as directory:
            model, added = Path(directory) / "model", Path(directory) / "adapter"
            write_random_model(base, model)
            write_adapter(adapter, added)
            runs = [
                golden_run(model, prompt, STEPS, adapt=lambda loaded, dtype: attach(loaded, added, dtype))
                for prompt in base.pop("prompts")
            ]
            plain = [golden_run(model, run["prompt"], STEPS) for run in runs]
        differ = sum(a != b for run, other in zip(runs, plain) for a, b in zip(run["ids"], other["ids"]))
        errors = ", ".join(f"{run['bf16Error']:.5f}" for run in runs)
        print(f"{base['name']}: {differ} of {STEPS} steps differ from the base model's, bf16 error {errors}")
        yield {**base, "adapter": adapter, "runs": runs}
