"""Random models in the quantizations that are not affine, and with tables that mix them."""

import json
from pathlib import Path

import mlx.core as mx
import numpy as np

from .cases import MOE, SHARED, affine, config_of, spec
from .random_model import tensors_of, write_random_model, write_safetensors
from .reference import golden_run

MXFP4 = {"group_size": 32, "bits": 4, "mode": "mxfp4"}
MXFP8 = {"group_size": 32, "bits": 8, "mode": "mxfp8"}
NVFP4 = {"group_size": 16, "bits": 4, "mode": "nvfp4"}
GLOBAL = {**NVFP4, "global_scale": True}
STEPS = 24


def layers(count, *names):
    return [f"model.layers.{layer}.{name}" for layer in range(count) for name in names]


def shape(hidden, heads, kv_heads):
    return {"hidden_size": hidden, "num_attention_heads": heads, "num_key_value_heads": kv_heads}


def quantization_cases():
    # Rows of as many groups as fill no vector.
    odd, small, wide = shape(7 * 32, 7, 1), shape(128, 4, 2), shape(256, 4, 1)
    own = {"head_dim": 64}
    mixed = {"model.embed_tokens": affine(8, 64), "model.layers.0.mlp.down_proj": NVFP4} | {
        path: MXFP8 for path in layers(2, "self_attn.v_proj", "self_attn.o_proj")
    }
    # mlx-lm knows neither spelling: it reads these layers by their tensors.
    spelled = {"layers.0.self_attn.q_proj": MXFP4, "language_model.model.layers.1.mlp.up_proj": MXFP4}
    linears = layers(2, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.up_proj")
    experts = layers(2, "mlp.switch_mlp.gate_proj", "mlp.switch_mlp.up_proj", "mlp.switch_mlp.down_proj")
    rows = [
        ("qwen2, mxfp4, tied", "qwen2", odd, 224, True, MXFP4, {}, {"start": 1}),
        ("llama, mxfp4, untied, float16", "llama", small, 160, False, MXFP4, {}, {"dtype": "F16", "start": 7}),
        ("qwen3, mxfp4, a long prompt", "qwen3", small, 192, True, MXFP4, own, {"prompts": (200,)}),
        ("qwen3_moe, mxfp4", "qwen3_moe", small, 192, True, MXFP4, {**own, **MOE}, {}),
        ("llama, mxfp8, tied", "llama", odd, 224, True, MXFP8, {}, {"start": 3}),
        ("qwen2, mxfp8, untied, float32", "qwen2", wide, 192, False, MXFP8, {}, {"dtype": "F32"}),
        ("qwen3, mxfp8, a long prompt", "qwen3", small, 192, True, MXFP8, own, {"prompts": (200,)}),
        ("qwen2_moe, mxfp8", "qwen2_moe", small, 192, False, MXFP8, SHARED, {}),
        ("qwen2, nvfp4, tied", "qwen2", odd, 208, True, NVFP4, {}, {"start": 5}),
        ("llama, nvfp4, untied", "llama", wide, 144, False, NVFP4, {}, {"start": 11}),
        ("qwen3, nvfp4, a long prompt", "qwen3", small, 192, True, NVFP4, own, {"prompts": (200,)}),
        ("qwen3_moe, nvfp4", "qwen3_moe", small, 192, True, NVFP4, {**own, **MOE}, {}),
        ("qwen3_moe, nvfp4, global scales", "qwen3_moe", small, 192, True, NVFP4 | dict.fromkeys(experts, GLOBAL), {**own, **MOE}, {}),
        ("llama, nvfp4, global scales", "llama", small, 192, True, NVFP4 | dict.fromkeys(linears, GLOBAL), {}, {"start": 9}),
        ("llama, modes mixed by a table", "llama", small, 192, False, MXFP4 | mixed, {}, {}),
        ("qwen3_moe, modes mixed by a table", "qwen3_moe", small, 192, True, affine(4, 64) | dict.fromkeys(experts, MXFP4), {**own, **MOE}, {}),
        ("llama, a table in other spellings", "llama", small, 192, True, MXFP4 | spelled, {}, {}),
    ]
    for i, (name, model_type, sizes, intermediate, tied, quantization, extra, layout) in enumerate(rows):
        config = config_of(model_type, sizes, intermediate, tied, 320 + i, **extra)
        config["quantization"] = quantization
        yield spec(name, 9000 + 10 * i, config, **layout)


def dequantized(weight, scales, global_scale, mode):
    scale = None if global_scale is None else mx.array(global_scale)
    settings = mode["group_size"], mode["bits"], mode["mode"]
    return np.array(mx.dequantize(mx.array(weight), mx.array(scales), None, *settings, scale, mx.float32))


def write_whole(case, directory):
    """The same model with its weights dequantized by MLX to float32."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in case["config"].items() if key != "quantization"}
    (directory / "config.json").write_text(json.dumps(config))
    tensors = {name: (dtype, dims, data) for name, dtype, dims, data in tensors_of(case)}
    array = lambda name, dtype: np.frombuffer(tensors[name][2], dtype).reshape(tensors[name][1])
    whole = []
    for name, (dtype, dims, data) in tensors.items():
        path = name.rsplit(".", 1)[0]
        if dtype == "U32":
            mode = case["config"]["quantization"].get(path, case["config"]["quantization"])
            weights, scales = array(name, np.uint32), array(f"{path}.scales", np.uint8)
            global_scales = array(f"{path}.global_scale", np.float32) if f"{path}.global_scale" in tensors else None
            if weights.ndim == 3:
                alone = global_scales is None
                each = [dequantized(w, s, None if alone else global_scales[i], mode) for i, (w, s) in enumerate(zip(weights, scales))]
                weight = np.stack(each)
            else:
                weight = dequantized(weights, scales, global_scales, mode)
            whole.append((name, "F32", list(weight.shape), weight.tobytes()))
        elif not name.endswith((".scales", ".global_scale")):
            whole.append((name, dtype, dims, data))
    write_safetensors(directory / "model.safetensors", whole, 0)


def reference_runs(case, directory):
    """MLX's products take a global scale on GPUs only: with one, mlx-lm gets the weights that MLX makes of it."""
    for_mlx_lm = Path(directory) / "model"
    write = write_whole if GLOBAL in case["config"]["quantization"].values() else write_random_model
    write(case, for_mlx_lm)
    return [golden_run(for_mlx_lm, prompt, STEPS) for prompt in case["prompts"]]
