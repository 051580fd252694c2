"""Makes tests/fixtures/gguf/tiny-llama.gguf and what must come of it, with the Python packages `gguf` and `tokenizers`.

    pip install gguf==0.19.0 numpy tokenizers
    python scripts/make-gguf-fixture.py

The model is random: one llama layer with a tensor of every type that can be imported, q and k with their rows in
llama.cpp's order, and a small byte-level BPE vocabulary. `tiny-llama.expected.json` has, per tensor of the imported
model, its shape, the SHA-256 of its float32 values, and the first of them; and the ids of some texts.
"""

import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from tokenizers import AddedToken, Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from tokenizers.trainers import BpeTrainer

OUTPUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "gguf"
HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM = 64, 96, 4, 2, 16
CORPUS = ["def add(a, b):\n    return a + b\n\ndef add_two(num1, num2):\n    return num1 + num2\n"] * 3
CONTROL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
USER_DEFINED = ["<tool>"]
UNUSED = ["[PAD0]", "[PAD1]"]
TEXTS = [
    "def add(a, b):\n    return a + b",
    "In 2024: 366 days, 1234567890",
    "<|im_start|>user\nadd 12<|im_end|>\n<tool>",
    "naïve 日本語 😀 e\u0301\r\n\t x  ",
    "Ⅷ²½ ١٢",
    "don't we'll I'M",
]
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"


def tokenizer():
    """A small vocabulary: special tokens first, as SmolLM2 has them, then bytes and merges."""
    trained = Tokenizer(BPE())
    trained.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    alphabet = sorted(ByteLevel.alphabet())
    trainer = BpeTrainer(
        vocab_size=len(CONTROL) + len(alphabet) + 24, special_tokens=CONTROL, initial_alphabet=alphabet, show_progress=False
    )
    trained.train_from_iterator(CORPUS, trainer)
    model = json.loads(trained.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    trained.add_tokens([AddedToken(text, normalized=False, special=False) for text in USER_DEFINED])
    return trained, tokens + USER_DEFINED + UNUSED, [" ".join(pair) for pair in model["merges"]]


def token_type(token):
    kinds = ((CONTROL, gguf.TokenType.CONTROL), (USER_DEFINED, gguf.TokenType.USER_DEFINED), (UNUSED, gguf.TokenType.UNUSED))
    return next((kind for tokens, kind in kinds if token in tokens), gguf.TokenType.NORMAL)


def llama_cpp_rows(rows, heads):
    """llama.cpp's order of the rows of q and k: the two halves of each head interleaved."""
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def tensors(vocabulary):
    """(name in GGUF, name in MLX, type, shape, heads whose rows are interleaved)"""
    layer, kv = "model.layers.0", KV_HEADS * HEAD_DIM
    return [
        ("token_embd", "model.embed_tokens", Type.Q8_0, (vocabulary, HIDDEN), 0),
        ("blk.0.attn_norm", f"{layer}.input_layernorm", Type.F32, (HIDDEN,), 0),
        ("blk.0.attn_q", f"{layer}.self_attn.q_proj", Type.Q4_1, (HEADS * HEAD_DIM, HIDDEN), HEADS),
        ("blk.0.attn_k", f"{layer}.self_attn.k_proj", Type.Q8_0, (kv, HIDDEN), KV_HEADS),
        ("blk.0.attn_v", f"{layer}.self_attn.v_proj", Type.Q4_0, (kv, HIDDEN), 0),
        ("blk.0.attn_output", f"{layer}.self_attn.o_proj", Type.F16, (HIDDEN, HEADS * HEAD_DIM), 0),
        ("blk.0.ffn_norm", f"{layer}.post_attention_layernorm", Type.F32, (HIDDEN,), 0),
        ("blk.0.ffn_gate", f"{layer}.mlp.gate_proj", Type.BF16, (INTERMEDIATE, HIDDEN), 0),
        ("blk.0.ffn_up", f"{layer}.mlp.up_proj", Type.Q4_0, (INTERMEDIATE, HIDDEN), 0),
        ("blk.0.ffn_down", f"{layer}.mlp.down_proj", Type.Q4_1, (HIDDEN, INTERMEDIATE), 0),
        ("output_norm", "model.norm", Type.F32, (HIDDEN,), 0),
        ("output", "lm_head", Type.Q4_1, (vocabulary, HIDDEN), 0),
    ]


def add_metadata(writer, tokens, merges):
    writer.add_context_length(512)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HEAD_DIM)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([token_type(token) for token in tokens])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_eot_token_id(0)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def main():
    OUTPUT.mkdir(parents=True, exist_ok=True)
    reference, tokens, merges = tokenizer()
    writer = gguf.GGUFWriter(OUTPUT / "tiny-llama.gguf", "llama")
    add_metadata(writer, tokens, merges)
    random, expected = np.random.default_rng(7), {}
    for name, mlx_name, kind, shape, heads in tensors(len(tokens)):
        values = random.normal(0, 0.1, shape).astype(np.float32)
        stored = gguf.quantize(llama_cpp_rows(values, heads) if heads else values, kind)
        writer.add_tensor(f"{name}.weight", stored, raw_dtype=kind)
        # Adding zero makes +0 of -0: the same number, but other bytes for the hash.
        exact = np.ascontiguousarray(gguf.dequantize(gguf.quantize(values, kind), kind) + 0, dtype="<f4")
        digest = hashlib.sha256(exact.tobytes()).hexdigest()
        expected[f"{mlx_name}.weight"] = {"type": kind.name, "shape": list(shape), "sha256": digest, "first": exact.flat[:4].tolist()}
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    texts = [{"text": text, "ids": reference.encode(text).ids} for text in TEXTS]
    (OUTPUT / "tiny-llama.expected.json").write_text(to_json(expected, texts))


def to_json(expected, texts):
    """One tensor and one text per line."""
    row = lambda value: json.dumps(value, ensure_ascii=False)
    tensors = ",\n".join(f"  {row(name)}: {row(value)}" for name, value in expected.items())
    lines = ",\n".join(f"  {row(text)}" for text in texts)
    return f'{{\n "template": {row(TEMPLATE)},\n "tensors": {{\n{tensors}\n }},\n "texts": [\n{lines}\n ]\n}}\n'


if __name__ == "__main__":
    main()
