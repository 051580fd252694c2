"""shapes.py NAME MLX_DIRECTORY GGUF_FILE: random weights of a Qwen2.5 shape, twice.

As MLX's 4-bit weights in groups of 64 and as GGUF's Q4_0: both 4.5 bits a weight, so the same work. What is written
appears under its name only when it is whole.
"""

import json
import mmap
import os
import sys
from pathlib import Path

import gguf
import mlx.core as mx
import numpy as np

# hidden size, layers, heads, key/value heads, intermediate size, whether the embedding is the output layer too
SHAPES = {
    "0.5b": (896, 24, 14, 2, 4864, True),
    "1.5b": (1536, 28, 12, 2, 8960, True),
    "3b": (2048, 36, 16, 2, 11008, True),
    "7b": (3584, 28, 28, 4, 18944, False),
}
VOCABULARY = 151_936
CONTEXT = 32_768
MADV_POPULATE_READ = 22  # which Python has no name for
# Of a uniform 4-bit value: its mean, and its standard deviation. Weights are around 0 with the variance 1/columns.
MIDDLE, DEVIATION = 7.5, 4.6


def linears(hidden, layers, heads, kv_heads, inter):
    """(layer, GGUF's name, MLX's name, rows, columns, whether it has a bias) of every linear layer."""
    head = hidden // heads
    for layer in range(layers):
        yield layer, "attn_q", "self_attn.q_proj", heads * head, hidden, True
        yield layer, "attn_k", "self_attn.k_proj", kv_heads * head, hidden, True
        yield layer, "attn_v", "self_attn.v_proj", kv_heads * head, hidden, True
        yield layer, "attn_output", "self_attn.o_proj", hidden, heads * head, False
        yield layer, "ffn_gate", "mlp.gate_proj", inter, hidden, False
        yield layer, "ffn_up", "mlp.up_proj", inter, hidden, False
        yield layer, "ffn_down", "mlp.down_proj", hidden, inter, False


def write_mlx(directory, hidden, layers, heads, kv_heads, inter, tied):
    weights = {}
    random = np.random.default_rng(0)

    def quantized(name, rows, columns):
        weights[f"{name}.weight"] = mx.array(random.integers(0, 2**32, (rows, columns // 8), dtype=np.uint32))
        scales = random.uniform(0.5, 1.5, (rows, columns // 64)).astype(np.float32) / (DEVIATION * columns**0.5)
        weights[f"{name}.scales"] = mx.array(scales).astype(mx.bfloat16)
        weights[f"{name}.biases"] = mx.array(-MIDDLE * scales).astype(mx.bfloat16)

    quantized("model.embed_tokens", VOCABULARY, hidden)
    if not tied:
        quantized("lm_head", VOCABULARY, hidden)
    for layer, _, name, rows, columns, bias in linears(hidden, layers, heads, kv_heads, inter):
        quantized(f"model.layers.{layer}.{name}", rows, columns)
        if bias:
            weights[f"model.layers.{layer}.{name}.bias"] = mx.zeros((rows,), mx.bfloat16)
    for layer in range(layers):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            weights[f"model.layers.{layer}.{norm}.weight"] = mx.ones((hidden,), mx.bfloat16)
    weights["model.norm.weight"] = mx.ones((hidden,), mx.bfloat16)
    mx.save_safetensors(str(directory / "model.safetensors"), weights, metadata={"format": "mlx"})
    quantization = {"group_size": 64, "bits": 4}
    config = {
        "model_type": "qwen2",
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": inter,
        "vocab_size": VOCABULARY,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "tie_word_embeddings": tied,
        "max_position_embeddings": CONTEXT,
        "bos_token_id": 151643,
        "eos_token_id": 151645,
        "hidden_act": "silu",
        "quantization": quantization,
        "quantization_config": quantization,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=2))


def write_gguf(file, hidden, layers, heads, kv_heads, inter, tied):
    writer = gguf.GGUFWriter(file, "qwen2")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(inter)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([f"<{i}>" for i in range(VOCABULARY)])
    writer.add_token_types([1] * VOCABULARY)
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(151643)
    writer.add_eos_token_id(151645)
    random = np.random.default_rng(0)

    def quantized(name, rows, columns):
        # A block: a float16 scale and 32 values of 4 bits.
        blocks = np.empty((rows * columns // 32, 18), np.uint8)
        blocks[:, :2] = np.full((len(blocks), 1), 1 / (DEVIATION * columns**0.5), np.float16).view(np.uint8)
        blocks[:, 2:] = random.integers(0, 256, (len(blocks), 16), dtype=np.uint8)
        writer.add_tensor(
            name, blocks.reshape(rows, columns // 32 * 18), raw_dtype=gguf.GGMLQuantizationType.Q4_0
        )

    def constant(name, size, value):
        writer.add_tensor(name, np.full((size,), value, np.float32))

    quantized("token_embd.weight", VOCABULARY, hidden)
    constant("output_norm.weight", hidden, 1)
    if not tied:
        quantized("output.weight", VOCABULARY, hidden)
    for layer, name, _, rows, columns, bias in linears(hidden, layers, heads, kv_heads, inter):
        quantized(f"blk.{layer}.{name}.weight", rows, columns)
        if bias:
            constant(f"blk.{layer}.{name}.bias", rows, 0)
    for layer in range(layers):
        constant(f"blk.{layer}.attn_norm.weight", hidden, 1)
        constant(f"blk.{layer}.ffn_norm.weight", hidden, 1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_whole(target, write):
    """Writes beside the target and renames: an interrupted run leaves nothing that looks finished."""
    if target.exists():
        return
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    write(partial)
    for file in [partial, *partial.glob("*.safetensors")]:
        if file.is_file():
            read_back(file)
    partial.rename(target)


def read_back(file):
    """What was written stays in memory in pages as large as memory had at hand, which a program that maps it reads more
    slowly than large ones: the file is read from the disk again, as punie does it. Does nothing where that can't be."""
    if not hasattr(mmap, "MADV_HUGEPAGE") or not hasattr(os, "posix_fadvise"):
        return
    with file.open("rb") as source:
        os.fsync(source.fileno())
        os.posix_fadvise(source.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        mapping = mmap.mmap(source.fileno(), 0, prot=mmap.PROT_READ)
        try:
            mapping.madvise(mmap.MADV_HUGEPAGE)
            mapping.madvise(MADV_POPULATE_READ)
        except OSError:  # an older kernel
            pass


def make_mlx(directory):
    directory.mkdir(parents=True)
    write_mlx(directory, *SHAPES[sys.argv[1]])


write_whole(Path(sys.argv[2]), make_mlx)
write_whole(Path(sys.argv[3]), lambda file: write_gguf(file, *SHAPES[sys.argv[1]]))
# Python's own end destroys MLX's state under its threads, and now and then crashes.
os._exit(0)
