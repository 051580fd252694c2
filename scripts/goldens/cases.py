"""The table of random models that the goldens hold: every width and group, and what else checkpoints do."""

from .plans import plan_of
from .random_model import prompt_ids

BITS = (2, 3, 4, 5, 6, 8)
GROUP_SIZES = (32, 64, 128)
# Query heads per key head. A multiple of 5 or 7 groups of 128 would make the hidden size large for a test.
RATIOS = {32: (1, 2, 3, 4, 5, 6, 7, 8), 64: (8, 7, 6, 5, 4, 3, 2, 1), 128: (1, 2, 3, 4, 6, 8)}
INTERMEDIATE = {32: 224, 64: 192, 128: 256}
PROMPT_TOKENS, STEPS = 20, 24
MOE = {
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 128,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
}
SHARED = {**MOE, "norm_topk_prob": False, "shared_expert_intermediate_size": 256}
# Every width and group of each, as far as their tensors go. Gates of experts have few rows and stay 8 bits.
LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 32,
    "linear_value_head_dim": 64,
    "linear_conv_kernel_dim": 4,
    "full_attention_interval": 2,
}
NEXT = {**MOE, **LINEAR, "shared_expert_intermediate_size": 128, "partial_rotary_factor": 0.25}
ROPE = {"rope_parameters": {"type": "default", "rope_theta": 100000.0, "partial_rotary_factor": 0.25}}
VARIANTS = {
    "qwen3": {},
    "qwen3_moe": MOE,
    "qwen2_moe": SHARED,
    "qwen3_next": NEXT,
    "qwen3_5": {**LINEAR, **ROPE},
    "qwen3_5_moe": {**LINEAR, **ROPE, **MOE, "shared_expert_intermediate_size": 128},
}
# Trained for fewer positions than a run of 12 tokens takes.
SHORT = {"max_position_embeddings": 20}
# Longer than a prefill chunk of 512 and than several steps of a growing KV cache.
LONG_PROMPT_TOKENS = 600


def geometry(ratio, group_size):
    """Heads and hidden size with `ratio` query heads per key head, all inputs of linears multiples of the group."""
    if ratio in (3, 5, 6, 7):
        hidden = 384 if (ratio, group_size) == (6, 128) else ratio * group_size
        return {"hidden_size": hidden, "num_attention_heads": ratio, "num_key_value_heads": 1}
    kv_heads = 2 if ratio < 4 else 1
    return {"hidden_size": 128, "num_attention_heads": ratio * kv_heads, "num_key_value_heads": kv_heads}


def config_of(model_type, shape, intermediate, tied, vocab_size, **extra):
    return {
        "model_type": model_type,
        **shape,
        "num_hidden_layers": 2,
        "intermediate_size": intermediate,
        "vocab_size": vocab_size,
        "rms_norm_eps": 1e-6 if model_type.startswith("qwen") else 1e-5,
        "rope_theta": 1000000.0 if model_type.startswith("qwen") else 10000.0,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": tied,
        **extra,
    }


def affine(bits, group_size, **layers):
    return {"group_size": group_size, "bits": bits, **layers}


def spec(name, seed, config, dtype="BF16", prompts=(PROMPT_TOKENS,), extras=(), **layout):
    vocab_size = config.get("text_config", config)["vocab_size"]
    prompts = [prompt_ids(seed + i, count, vocab_size) for i, count in enumerate(prompts)]
    plan = plan_of(config, extras)
    return {"name": name, "seed": seed, "dtype": dtype, **layout, "config": config, "plan": plan, "prompts": prompts}


def quantized_cases():
    for row, model_type in enumerate(("qwen2", "llama")):
        for column, group_size in enumerate(GROUP_SIZES):
            for i, bits in enumerate(BITS):
                ratios = RATIOS[group_size]
                ratio = ratios[(i + row * len(BITS)) % len(ratios)]
                tied = (row + column + i) % 2 == 0
                config = config_of(model_type, geometry(ratio, group_size), INTERMEDIATE[group_size], tied, 320 + 3 * i)
                config["quantization"] = affine(bits, group_size)
                head = "tied" if tied else "untied"
                yield spec(
                    f"{model_type}, {bits} bits, group {group_size}, {ratio} query heads per key head, {head}",
                    1000 * (row + 1) + 100 * column + 10 * i,
                    config,
                    dtype=("BF16", "F16", "F32")[(row + i) % 3] if group_size == 64 else "BF16",
                    start=(i * 5 + column) % 16,
                )


def unquantized_cases():
    for row, model_type in enumerate(("qwen2", "llama")):
        for i, dtype in enumerate(("BF16", "F16", "F32")):
            tied = (row + i) % 2 == 0
            config = config_of(model_type, geometry((4, 3, 2)[i], 64), 192, tied, 331)
            name = f"{model_type}, unquantized {dtype}, {'tied' if tied else 'untied'}"
            yield spec(name, 3000 + 100 * row + 10 * i, config, dtype=dtype, start=2 * i + row)


def variants():
    """Every width, and every group, of the architectures that are variations of these two."""
    widths = [(bits, GROUP_SIZES[i % 3]) for i, bits in enumerate(BITS)]
    for row, (model_type, own) in enumerate(VARIANTS.items()):
        never_tied = model_type == "qwen2_moe"
        heads = {} if model_type == "qwen2_moe" else {"head_dim": 64}
        for i, (bits, group_size) in enumerate(widths):
            tied = i % 2 == 0 and not never_tied
            shape = geometry(RATIOS[group_size][i], group_size)
            wide = {key: max(size, group_size) for key, size in heads.items()}
            config = config_of(model_type, shape, INTERMEDIATE[group_size], tied, 320 + i, **wide, **own)
            config["quantization"] = affine(bits, group_size)
            name = f"{model_type}, {bits} bits, group {group_size}, {'tied' if tied else 'untied'}"
            yield spec(name, 7000 + 100 * row + 10 * i, config, start=i)
        for i, dtype in enumerate(("BF16", "F32")):
            tied = i == 0 and not never_tied
            config = config_of(model_type, geometry(2, 64), 192, tied, 331, **heads, **own)
            yield spec(f"{model_type}, unquantized {dtype}", 7060 + 100 * row + 10 * i, config, dtype=dtype)


def special_cases():
    """Each row is one thing that some checkpoints have."""
    small, wide = geometry(2, 64), geometry(4, 64)
    q4 = affine(4, 64)
    mixed = {"model.embed_tokens": affine(8, 64), "model.layers.0.mlp.down_proj": affine(6, 32)}
    some = {"model.layers.1.self_attn.v_proj": False}
    llama3 = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 256,
    }
    linear = {"type": "linear", "factor": 4.0}
    dynamic = {"type": "dynamic", "factor": 4.0}
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    sharp = {**yarn, "mscale": 1.5, "mscale_all_dim": 0.5, "beta_fast": 16, "beta_slow": 2}
    windowed = {"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 16}
    own = {"head_dim": 64}
    odd = {"linear_num_key_heads": 3, "linear_num_value_heads": 3, "linear_key_head_dim": 20, "linear_value_head_dim": 24}
    moe_mixed = {
        "model.layers.0.mlp.gate": affine(8, 64),
        "model.layers.1.mlp.gate": affine(8, 64),
        "model.layers.0.mlp.switch_mlp.up_proj": affine(6, 32),
        "model.layers.1.mlp.switch_mlp.down_proj": affine(8, 32),
    }
    rows = [
        ("qwen2, a long prompt", "qwen2", wide, True, q4, {}, {"prompts": (LONG_PROMPT_TOKENS,)}),
        ("llama, a long prompt", "llama", small, False, q4, {}, {"prompts": (LONG_PROMPT_TOKENS,)}),
        ("qwen2, a prompt of one token", "qwen2", wide, True, q4, {}, {"prompts": (1, 2)}),
        ("qwen2, three shards", "qwen2", small, False, q4, {}, {"shards": 3, "start": 3}),
        ("llama, two shards", "llama", wide, True, q4, {}, {"shards": 2, "start": 1}),
        ("qwen2, mixed widths by a table", "qwen2", small, True, affine(4, 64, **mixed), {}, {}),
        ("llama, mixed widths by a table", "llama", small, True, affine(4, 64, **mixed), {}, {"dtype": "F16"}),
        ("qwen2, a layer that the table leaves whole", "qwen2", wide, False, affine(4, 64, **some), {}, {}),
        ("llama, layers without scales", "llama", wide, False, q4, {}, {"plain": ["lm_head", "model.embed_tokens"]}),
        ("qwen2, scales in float16, norms in bfloat16", "qwen2", small, True, q4, {}, {"scalesDtype": "F16"}),
        ("llama, scales in float32, norms in bfloat16", "llama", small, True, q4, {}, {"scalesDtype": "F32"}),
        ("llama, attention_bias and mlp_bias", "llama", wide, True, q4, {"attention_bias": True, "mlp_bias": True}, {}),
        ("llama, rope_scaling linear", "llama", wide, True, q4, {"rope_scaling": linear}, {}),
        ("qwen2, rope_scaling linear", "qwen2", wide, True, q4, {"rope_scaling": linear}, {}),
        ("llama, rope_scaling llama3", "llama", wide, True, q4, {"rope_scaling": llama3}, {"prompts": (20, 400)}),
        ("llama, rope_traditional", "llama", wide, True, q4, {"rope_traditional": True}, {}),
        ("qwen2, rope_traditional", "qwen2", small, True, q4, {"rope_traditional": True}, {}),
        ("llama, head_dim of its own", "llama", wide, False, q4, {"head_dim": 48}, {}),
        ("llama, head_dim of its own, unquantized", "llama", wide, False, None, {"head_dim": 20}, {}),
        ("llama, head_dim 256", "llama", small, True, q4, {"head_dim": 256}, {}),
        ("llama, one layer", "llama", small, True, q4, {"num_hidden_layers": 1}, {}),
        ("qwen2, tensors that sanitize drops", "qwen2", small, True, q4, {}, {"extras": ["rotary", "lm_head"]}),
        ("llama, tensors that sanitize drops", "llama", small, True, q4, {}, {"extras": ["rotary", "lm_head"]}),
        ("qwen3, a long prompt", "qwen3", wide, True, q4, own, {"prompts": (LONG_PROMPT_TOKENS,)}),
        ("qwen3, rope_scaling yarn", "qwen3", wide, True, q4, {**own, "rope_scaling": yarn}, {"prompts": (20, 200)}),
        ("qwen2, rope_scaling yarn with magnitudes", "qwen2", small, True, q4, {"rope_scaling": sharp}, {}),
        ("qwen3, rope_parameters", "qwen3", small, True, q4, {**own, "rope_parameters": {**yarn, "rope_theta": 1e4}}, {}),
        ("llama, rope_scaling dynamic", "llama", wide, True, q4, {"rope_scaling": dynamic, **SHORT}, {"prompts": (12,)}),
        ("llama, a window", "llama", wide, True, q4, windowed, {"prompts": (1, 40, LONG_PROMPT_TOKENS)}),
        ("qwen3_moe, experts one by one", "qwen3_moe", small, True, None, {**own, **MOE}, {"extras": ["experts"]}),
        ("qwen3_moe, dense layers", "qwen3_moe", small, True, q4, {**own, **MOE, "mlp_only_layers": [0]}, {}),
        ("qwen3_moe, a long prompt", "qwen3_moe", small, True, q4, {**own, **MOE}, {"prompts": (LONG_PROMPT_TOKENS,)}),
        ("qwen3_moe, mixed widths", "qwen3_moe", small, True, affine(4, 64, **moe_mixed), {**own, **MOE}, {}),
        ("qwen2_moe, all experts", "qwen2_moe", small, False, q4, {**SHARED, "num_experts_per_tok": 8}, {}),
        ("qwen3_next, a long prompt", "qwen3_next", small, False, q4, {**own, **NEXT}, {"prompts": (LONG_PROMPT_TOKENS,)}),
        ("qwen3_next, odd sizes", "qwen3_next", small, False, None, {**own, **NEXT, **odd}, {"prompts": (1, 2, 40)}),
        ("qwen3_5, beside a vision part", "qwen3_5", small, True, q4, {**own, **LINEAR, **ROPE}, {"extras": ["vision"]}),
        ("mistral, no window", "mistral", wide, False, q4, {}, {}),
    ]
    for i, (name, model_type, shape, tied, quantization, extra, layout) in enumerate(rows):
        config = config_of(model_type, shape, 192, tied, 320, **extra)
        if "vision" in layout.get("extras", ()):
            config = {"model_type": model_type, "text_config": config}
        if quantization is not None:
            config["quantization"] = quantization
        yield spec(name, 5000 + 10 * i, config, **layout)


def all_cases():
    return [*quantized_cases(), *unquantized_cases(), *special_cases(), *variants()]
