"""Makes tests/fixtures/gguf/smollm2.golden.json: what mlx-lm 0.32.2 in float32 makes of the imported demo model.

    pip install mlx-lm==0.32.2 mlx==0.32.4 numpy
    npm start
    python scripts/make-demo-golden.py .demo/SmolLM2-135M-Instruct      (some minutes on a CPU)

The file has, per question, the prompt's ids after the chat template and `goldens.reference.golden_run` of them; ids of
texts from Hugging Face's `tokenizers` with the imported tokenizer.json; and the mean log-probability of a longer text,
which is one of this repository's.
"""

import json
import sys
from pathlib import Path

import mlx.core as mx
import numpy as np
from goldens.reference import golden_run, load, log_softmax
from mlx_lm.utils import load_tokenizer
from tokenizers import Tokenizer

OUTPUT = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "gguf" / "smollm2.golden.json"
STEPS = 48
QUESTIONS = (
    "Write a Python function that adds two numbers.",
    "What is the capital of France?",
    "Erkläre mir 3 Dinge über 日本 – kurz! 🗾",
)
PASSAGE = "licenses/Apache-2.0.txt"
PASSAGE_TOKENS = 512
TEXTS = (
    "In 2024 there were 366 days, not 365.",
    "a12b3.14 = 0x1F",
    "  def f(x):\n\treturn x**2\r\n\n\n",
    "Ⅷ²½ 数字１２３ ٣",
    "<|im_start|>user\nhi<|im_end|>",
    "naïve café 😀 e\u0301 \u200d",
    "don't we'll I'M it's",
    "gh_stars <gh_stars>5 <file_sep>",
)


def mean_logprob(path, ids):
    """Of each token but the first, given those before it, in float32."""
    model, _ = load(path)
    logits = model(mx.array([ids[:-1]]))[0].astype(mx.float32)
    return float(np.mean([log_softmax(row)[following] for row, following in zip(logits, ids[1:])]))


def main(path):
    tokenizer = load_tokenizer(path)
    runs = []
    for question in QUESTIONS:
        prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True)
        run = golden_run(path, list(prompt), STEPS)
        text = tokenizer.decode([ids[0] for ids in run["ids"]])
        runs.append({"question": question, "text": text, **run})
        print(f"{question}\n{text}\nbf16 error {run['bf16Error']}\n", flush=True)
    plain = Tokenizer.from_file(str(path / "tokenizer.json"))
    texts = [{"text": text, "ids": plain.encode(text, add_special_tokens=False).ids} for text in TEXTS]
    passage = (OUTPUT.parents[3] / PASSAGE).read_text()
    ids = plain.encode(passage, add_special_tokens=False).ids[:PASSAGE_TOKENS]
    mean = {"file": PASSAGE, "tokens": PASSAGE_TOKENS, "meanLogprob": mean_logprob(path, ids)}
    compact = lambda row: json.dumps(row, ensure_ascii=False, separators=(",", ":"))
    lines = lambda rows: ",\n".join(map(compact, rows))
    OUTPUT.write_text(f'{{"mlxLm":"0.32.2","runs":[\n{lines(runs)}\n],"texts":[\n{lines(texts)}\n],\n"passage":{compact(mean)}}}\n')


if __name__ == "__main__":
    main(Path(sys.argv[1]))
