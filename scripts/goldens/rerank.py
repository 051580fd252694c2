"""Goldens of reranking: the probability of "yes" that mlx-lm's float32 logits give, on Qwen3-Reranker's prompt.

The tiny model's vocabulary has neither word, so both become added tokens, of the two ids after its last.
"""

import json

import mlx.core as mx
from tokenizers import Tokenizer

from .reference import Sequence, load

ADDED = {"yes": 1272, "no": 1273}
QUERY = "What is the capital of France?"
DOCUMENTS = ["The capital of France is Paris.", "2 + 3 = 5", "yes, no: both are words", ""]
OTHER_INSTRUCTION = "Given a question, find code that answers it"
INSTRUCTION = "Given a web search query, retrieve relevant passages that answer the query"
PREFIX = (
    "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
    'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
)
SUFFIX = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"


def tokenizer_of(path):
    content = json.loads((path / "tokenizer.json").read_text())
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    content["added_tokens"] += [{"id": id, "content": word, **flags} for word, id in ADDED.items()]
    return Tokenizer.from_str(json.dumps(content))


def score(model, tokenizer, query, document, instruction):
    body = f"<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}"
    ids = [id for part in (PREFIX, body, SUFFIX) for id in tokenizer.encode(part, add_special_tokens=False).ids]
    logits = Sequence(model).next(ids)
    return len(ids), round(mx.softmax(logits[mx.array([ADDED["no"], ADDED["yes"]])])[1].item(), 6)


def rerank_golden(path):
    model, _ = load(path)
    tokenizer = tokenizer_of(path)
    rows = []
    for instruction in (INSTRUCTION, OTHER_INSTRUCTION):
        for document in DOCUMENTS:
            tokens, value = score(model, tokenizer, QUERY, document, instruction)
            given = {} if instruction == INSTRUCTION else {"instruction": instruction}
            rows.append({**given, "document": document, "tokens": tokens, "score": value})
    return {"query": QUERY, "added": ADDED}, rows
