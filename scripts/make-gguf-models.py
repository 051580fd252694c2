"""Makes tests/fixtures/gguf/{qwen2,qwen3,qwen3moe,llama}.gguf, small random models, and what mlx-lm answers with them.

    pip install gguf==0.19.0 mlx-lm==0.32.2 mlx==0.32.4 numpy tokenizers
    python scripts/make-gguf-models.py

The reference never sees a GGUF file: mlx-lm 0.32.2 runs a float32 checkpoint of the values that the package `gguf`
reads in the blocks. K types have random blocks, because that package can't quantize to them.
"""

import json
import tempfile
from pathlib import Path

import gguf
import mlx.core as mx
import numpy as np
from gguf import GGMLQuantizationType as Type

from goldens.reference import greedy, load
from importlib import import_module

fixture = import_module("make-gguf-fixture")
STEPS, PROMPT = 16, list(range(5, 25))
# Where float16 scales stand in a block, and how large they are, so that the values are about 0.1 around zero.
K_SCALES = {
    Type.Q4_K: ((0, 0.03 / 63), (2, 0.225 / 63)),
    Type.Q5_K: ((0, 0.015 / 63), (2, 0.2325 / 63)),
    Type.Q6_K: ((208, 0.005 / 127),),
}


def architectures():
    """(name, mlx-lm's model_type and config, shape of its parts, types by the end of a tensor's name)"""
    small = {"layers": 2, "hidden": 64, "inner": 96, "heads": 4, "kv_heads": 2, "head_dim": 16}
    wide = {"layers": 1, "hidden": 256, "inner": 256, "heads": 4, "kv_heads": 1, "head_dim": 64}
    k_mix = {"attn_v": Type.Q6_K, "ffn_down": Type.Q6_K, "token_embd": Type.Q6_K, "ffn_up": Type.Q5_K, "attn_output": Type.Q4_K}
    return [
        ("llama", "llama", small, {"": Type.Q4_0, "attn_q": Type.Q8_0, "output": Type.Q5_1}, 7),
        ("qwen2", "qwen2", wide, {"": Type.Q4_K, **k_mix}, 8),
        ("qwen3", "qwen3", small, {"": Type.Q8_0, "ffn_up": Type.Q5_0, "attn_v": Type.BF16}, 9),
        ("qwen3moe", "qwen3_moe", {**small, "experts": 4}, {"": Type.Q4_1, "token_embd": Type.F16, "ffn_gate_inp": Type.F32}, 10),
    ]


def parts(name, shape, vocabulary):
    """(name in GGUF, name in MLX, shape, heads whose rows llama.cpp interleaves)"""
    hidden, inner, head_dim = shape["hidden"], shape["inner"], shape["head_dim"]
    q, kv, experts = shape["heads"] * head_dim, shape["kv_heads"] * head_dim, shape.get("experts")
    yield "token_embd.weight", "model.embed_tokens.weight", (vocabulary, hidden), 0
    yield "output_norm.weight", "model.norm.weight", (hidden,), 0
    if name == "llama":
        yield "output.weight", "lm_head.weight", (vocabulary, hidden), 0
    for layer in range(shape["layers"]):
        at, to = f"blk.{layer}.", f"model.layers.{layer}."
        yield f"{at}attn_norm.weight", f"{to}input_layernorm.weight", (hidden,), 0
        yield f"{at}ffn_norm.weight", f"{to}post_attention_layernorm.weight", (hidden,), 0
        for letter, rows, heads in (("q", q, shape["heads"]), ("k", kv, shape["kv_heads"]), ("v", kv, 0)):
            interleaved = heads if name == "llama" else 0
            yield f"{at}attn_{letter}.weight", f"{to}self_attn.{letter}_proj.weight", (rows, hidden), interleaved
            if name == "qwen2":
                yield f"{at}attn_{letter}.bias", f"{to}self_attn.{letter}_proj.bias", (rows,), 0
            if name.startswith("qwen3") and letter != "v":
                yield f"{at}attn_{letter}_norm.weight", f"{to}self_attn.{letter}_norm.weight", (head_dim,), 0
        yield f"{at}attn_output.weight", f"{to}self_attn.o_proj.weight", (hidden, q), 0
        if experts:
            yield f"{at}ffn_gate_inp.weight", f"{to}mlp.gate.weight", (experts, hidden), 0
        own, outer = ("_exps", (experts,)) if experts else ("", ())
        switch = "switch_mlp." if experts else ""
        yield f"{at}ffn_gate{own}.weight", f"{to}mlp.{switch}gate_proj.weight", (*outer, inner, hidden), 0
        yield f"{at}ffn_up{own}.weight", f"{to}mlp.{switch}up_proj.weight", (*outer, inner, hidden), 0
        yield f"{at}ffn_down{own}.weight", f"{to}mlp.{switch}down_proj.weight", (*outer, hidden, inner), 0


def blocks_of(random, shape, kind, heads):
    """A tensor as GGUF stores it, and its float32 values in Hugging Face's order of the rows."""
    if kind in K_SCALES:
        values, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (int(np.prod(shape)) // values, size), dtype=np.uint8)
        for place, scale in K_SCALES[kind]:
            halves = (scale * random.uniform(0.5, 1, len(blocks))).astype(np.float16)
            blocks[:, place : place + 2] = halves.view(np.uint8).reshape(-1, 2)
        stored = blocks.reshape(*shape[:-1], -1)
        return stored, gguf.dequantize(stored, kind).reshape(shape)
    values = random.normal(1 if len(shape) == 1 else 0, 0.2, shape).astype(np.float32)
    stored = gguf.quantize(fixture.llama_cpp_rows(values, heads) if heads else values, kind)
    return stored, gguf.dequantize(gguf.quantize(values, kind), kind).reshape(shape)


def type_of(types, name, shape):
    if len(shape) == 1:
        return Type.F32
    return next((kind for part, kind in types.items() if part and name.split(".")[-2].startswith(part)), types[""])


def add_metadata(writer, shape):
    writer.add_context_length(512)
    writer.add_embedding_length(shape["hidden"])
    writer.add_block_count(shape["layers"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_key_length(shape["head_dim"])
    writer.add_value_length(shape["head_dim"])
    writer.add_rope_freq_base(1000000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    if "experts" in shape:
        writer.add_expert_count(shape["experts"])
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(shape["inner"])
    else:
        writer.add_feed_forward_length(shape["inner"])


def add_tokenizer(writer, tokens, merges):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([fixture.token_type(token) for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(fixture.TEMPLATE)


def config_of(model_type, shape, vocabulary):
    experts = shape.get("experts", 0)
    return {
        "model_type": model_type,
        "hidden_size": shape["hidden"],
        "num_hidden_layers": shape["layers"],
        "intermediate_size": shape["inner"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["kv_heads"],
        "head_dim": shape["head_dim"],
        "vocab_size": vocabulary,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1000000.0,
        "max_position_embeddings": 512,
        "tie_word_embeddings": model_type != "llama",
        "num_experts": experts,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": shape["inner"],
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "norm_topk_prob": True,
    }


def main():
    _, tokens, merges = fixture.tokenizer()
    rows = {}
    for name, model_type, shape, types, seed in architectures():
        random, weights = np.random.default_rng(seed), {}
        path = fixture.OUTPUT / f"{name}.gguf"
        writer = gguf.GGUFWriter(path, name)
        add_metadata(writer, shape)
        add_tokenizer(writer, tokens, merges)
        for own, to, size, heads in parts(name, shape, len(tokens)):
            kind = type_of(types, own, size)
            stored, weights[to] = blocks_of(random, size, kind, heads)
            writer.add_tensor(own, stored, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "config.json").write_text(json.dumps(config_of(model_type, shape, len(tokens))))
            mx.save_safetensors(str(Path(directory) / "model.safetensors"), {k: mx.array(v) for k, v in weights.items()})
            model, _ = load(directory)
            run = greedy(model, PROMPT, STEPS)
        leads = [a[0] - a[1] for a in run["logprobs"]]
        print(f"{path.name}: {path.stat().st_size // 1024} KB, {sum(lead > 0.02 for lead in leads)} of {STEPS} clear, {len({i[0] for i in run['ids']})} ids")
        rows[name] = {"prompt": PROMPT, **run}
    lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
    (fixture.OUTPUT / "models.golden.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
