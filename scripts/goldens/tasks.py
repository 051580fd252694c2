"""Goldens of the tiny model: what mlx-lm in float32 answers to sampled tasks, to the letter."""

import json
import random

import mlx.core as mx
from jinja2 import Environment
from tokenizers import Tokenizer

from .reference import Sequence, load
from .tiny_tasks import TOOLS, sample

LONGEST_ANSWER = 200


def template_of(path):
    environment = Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value, **_: json.dumps(value, ensure_ascii=False)
    return environment.from_string(json.loads((path / "tokenizer_config.json").read_text())["chat_template"])


def end_ids(path):
    ids = set()
    for name in ("config.json", "generation_config.json"):
        value = json.loads((path / name).read_text())["eos_token_id"]
        ids |= set(value if isinstance(value, list) else [value])
    return ids


def conversation_prompts(path, least):
    """Ids of two prompts through the model's own template: a short one, and one of at least `least` ids."""
    tokenizer, template, rng = Tokenizer.from_file(str(path / "tokenizer.json")), template_of(path), random.Random(7)
    encode = lambda messages: tokenizer.encode(template.render(messages=messages, add_generation_prompt=True)).ids
    question = {"role": "user", "content": "Write a Python function that adds two numbers."}
    turns = []
    while len(encode([*turns, question])) < least:
        turns += [turn for turn in sample(rng)[0] if turn.get("content") and turn["role"] != "tool"]
    return [encode([question]), encode([*turns, question])]


def answer(model, prompt, ends):
    """Greedy ids up to an end token, and the least lead of a chosen logit over the second."""
    sequence, given, ids, lead = Sequence(model), prompt, [], float("inf")
    while len(ids) < LONGEST_ANSWER:
        logits = sequence.next(given)
        second, first = mx.topk(logits, 2).tolist()
        lead = min(lead, abs(first - second))
        given = [int(mx.argmax(logits))]
        if given[0] in ends:
            break
        ids += given
    return ids, round(lead, 5)


def tasks_golden(path, count, seed):
    """`count` conversations up to the last turn of the assistant, with the prompt's ids and mlx-lm's answer."""
    model, _ = load(path)
    tokenizer, template, ends = Tokenizer.from_file(str(path / "tokenizer.json")), template_of(path), end_ids(path)
    rng, tasks = random.Random(seed), []
    for _ in range(count):
        messages, tools = sample(rng)
        messages = messages[:-1]
        text = template.render(messages=messages, tools=tools, add_generation_prompt=True)
        prompt = tokenizer.encode(text).ids
        ids, lead = answer(model, prompt, ends)
        task = {"messages": messages, "tools": tools is not None, "promptIds": prompt, "answerIds": ids}
        tasks.append({**task, "text": tokenizer.decode(ids, skip_special_tokens=False), "leastLead": lead})
    return {"tools": TOOLS, "tasks": tasks}
