"""Which tensors a random model has: a plan that the golden carries, so that the tests need not know the architectures.

A plan is a list of rows:
    ["matrix", path, rows, columns, gain]   a linear's or an embedding's weight, quantized as the config says
    ["stack", path, count, rows, columns, gain]   `count` of them on one another
    ["uniform", name, shape, exponent]      values in [-2^exponent, 2^exponent)
    ["norm", name, size]                    values in [0.5, 1.5)
"""

# What a block adds outweighs the embedding: else a tied model only repeats its last token.
IN_GAIN, OUT_GAIN, HEAD_GAIN, GATE_GAIN = 1, 3, 2, 4


class Plan:
    def __init__(self, config, extras):
        self.config, self.extras, self.rows = config.get("text_config", config), extras, []
        beside_vision = config["model_type"].startswith("qwen3_5")
        self.root = "language_model.model" if beside_vision else "model"
        self.head = "language_model.lm_head" if beside_vision else "lm_head"
        if "vision" in extras:
            self.uniform("vision_tower.patch_embed.proj.weight", [8, 8], 0)

    def matrix(self, path, rows, columns, gain=IN_GAIN, bias=False):
        self.rows.append(["matrix", path, rows, columns, gain])
        if bias:
            self.uniform(f"{path}.bias", [rows], -1)

    def uniform(self, name, shape, exponent):
        self.rows.append(["uniform", name, shape, exponent])

    def norm(self, name, size):
        self.rows.append(["norm", f"{name}.weight", size])

    def attention(self, path, qkv_bias=False, o_bias=False, qk_norm=False, gated=False):
        config = self.config
        hidden, heads, kv_heads = config["hidden_size"], config["num_attention_heads"], config["num_key_value_heads"]
        head_dim = config.get("head_dim", hidden // heads)
        self.matrix(f"{path}.q_proj", heads * head_dim * (2 if gated else 1), hidden, bias=qkv_bias)
        self.matrix(f"{path}.k_proj", kv_heads * head_dim, hidden, bias=qkv_bias)
        self.matrix(f"{path}.v_proj", kv_heads * head_dim, hidden, bias=qkv_bias)
        self.matrix(f"{path}.o_proj", hidden, heads * head_dim, OUT_GAIN, bias=o_bias)
        if qk_norm:
            self.norm(f"{path}.q_norm", head_dim)
            self.norm(f"{path}.k_norm", head_dim)

    def gated_attention(self, path, fused):
        """Of a layer of Qwen3-Next or Qwen3.5: a gated delta net, but for each fourth, or as the config says."""
        config = self.config
        if (int(path.split(".")[-2]) + 1) % config["full_attention_interval"] == 0:
            return self.attention(path, qk_norm=True, gated=True)
        path = path.replace("self_attn", "linear_attn")
        hidden, heads = config["hidden_size"], config["linear_num_value_heads"]
        keys = config["linear_num_key_heads"] * config["linear_key_head_dim"]
        values = heads * config["linear_value_head_dim"]
        channels = 2 * keys + values
        if fused:
            self.matrix(f"{path}.in_proj_qkvz", channels + values, hidden)
            self.matrix(f"{path}.in_proj_ba", 2 * heads, hidden)
        else:
            for name, rows in (("qkv", channels), ("z", values), ("b", heads), ("a", heads)):
                self.matrix(f"{path}.in_proj_{name}", rows, hidden)
        self.uniform(f"{path}.conv1d.weight", [channels, config["linear_conv_kernel_dim"], 1], 0)
        self.uniform(f"{path}.dt_bias", [heads], 0)
        self.uniform(f"{path}.A_log", [heads], 1)
        self.norm(f"{path}.norm", config["linear_value_head_dim"])
        self.matrix(f"{path}.out_proj", hidden, values, OUT_GAIN)

    def mlp(self, path, inner, bias=False):
        hidden = self.config["hidden_size"]
        self.matrix(f"{path}.gate_proj", inner, hidden, bias=bias)
        self.matrix(f"{path}.up_proj", inner, hidden, bias=bias)
        self.matrix(f"{path}.down_proj", hidden, inner, OUT_GAIN, bias=bias)

    def moe(self, path):
        """Experts, or the dense block of a layer that has none."""
        config = self.config
        hidden, inner, count = config["hidden_size"], config["moe_intermediate_size"], config["num_experts"]
        layer = int(path.split(".")[-2])
        if layer in config["mlp_only_layers"] or (layer + 1) % config["decoder_sparse_step"] != 0:
            return self.mlp(path, config["intermediate_size"])
        # Wide apart, so that no rounding changes who is chosen.
        self.matrix(f"{path}.gate", count, hidden, GATE_GAIN)
        for name, rows, columns, gain in (
            ("gate_proj", inner, hidden, IN_GAIN),
            ("up_proj", inner, hidden, IN_GAIN),
            ("down_proj", hidden, inner, OUT_GAIN),
        ):
            if "experts" in self.extras:
                for expert in range(count):
                    self.matrix(f"{path}.experts.{expert}.{name}", rows, columns, gain)
            else:
                self.rows.append(["stack", f"{path}.switch_mlp.{name}", count, rows, columns, gain])
        if shared := config.get("shared_expert_intermediate_size"):
            self.mlp(f"{path}.shared_expert", shared)
            self.matrix(f"{path}.shared_expert_gate", 1, hidden)

    def decoder(self, attention, mlp):
        """The tensors outside of the blocks, and in each block the norms; `attention` and `mlp` add the rest."""
        config = self.config
        hidden, vocab = config["hidden_size"], config["vocab_size"]
        root, head = self.root, self.head
        self.matrix(f"{root}.embed_tokens", vocab, hidden, HEAD_GAIN)
        for layer in range(config["num_hidden_layers"]):
            prefix = f"{root}.layers.{layer}"
            self.norm(f"{prefix}.input_layernorm", hidden)
            attention(f"{prefix}.self_attn")
            mlp(f"{prefix}.mlp")
            self.norm(f"{prefix}.post_attention_layernorm", hidden)
            if "rotary" in self.extras:
                self.uniform(f"{prefix}.self_attn.rotary_emb.inv_freq", [16], 0)
        self.norm(f"{root}.norm", hidden)
        if not config["tie_word_embeddings"]:
            self.matrix(head, vocab, hidden, HEAD_GAIN)
        elif "lm_head" in self.extras:
            self.uniform(f"{head}.weight", [vocab, hidden], 0)
        return self.rows


def llama(plan):
    config = plan.config
    bias = config.get("attention_bias", False)
    return plan.decoder(
        lambda path: plan.attention(path, qkv_bias=bias, o_bias=bias),
        lambda path: plan.mlp(path, config["intermediate_size"], config.get("mlp_bias", False)),
    )


def qwen2(plan):
    return plan.decoder(
        lambda path: plan.attention(path, qkv_bias=True),
        lambda path: plan.mlp(path, plan.config["intermediate_size"]),
    )


def qwen3(plan):
    return plan.decoder(
        lambda path: plan.attention(path, qk_norm=True),
        lambda path: plan.mlp(path, plan.config["intermediate_size"]),
    )


def qwen2_moe(plan):
    return plan.decoder(lambda path: plan.attention(path, qkv_bias=True), plan.moe)


def qwen3_next(plan):
    return plan.decoder(lambda path: plan.gated_attention(path, fused=True), plan.moe)


def qwen3_5(plan):
    return plan.decoder(
        lambda path: plan.gated_attention(path, fused=False),
        lambda path: plan.mlp(path, plan.config["intermediate_size"]),
    )


def qwen3_5_moe(plan):
    return plan.decoder(lambda path: plan.gated_attention(path, fused=False), plan.moe)


def qwen3_moe(plan):
    return plan.decoder(lambda path: plan.attention(path, qk_norm=True), plan.moe)


PLANS = {
    "llama": llama,
    "mistral": llama,
    "qwen2": qwen2,
    "qwen2_moe": qwen2_moe,
    "qwen3": qwen3,
    "qwen3_5": qwen3_5,
    "qwen3_5_moe": qwen3_5_moe,
    "qwen3_moe": qwen3_moe,
    "qwen3_next": qwen3_next,
}


def plan_of(config, extras=()):
    """The tensors of a model of this config. `extras`: kinds of tensors that mlx-lm's `sanitize` drops."""
    return PLANS[config["model_type"]](Plan(config, extras))
