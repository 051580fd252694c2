"""Makes tests/fixtures/goldens: what mlx-lm 0.32.2 computes in float32, for the tests to hold punie to.

    pip install mlx-lm==0.32.2 mlx==0.32.4 numpy tokenizers
    python scripts/make-goldens.py                      every golden below
    python scripts/make-goldens.py --random             random models, and sampling on one of them
    python scripts/make-goldens.py --quantization       random models in the modes of small floats
    python scripts/make-goldens.py --tiny               the tiny model's greedy text
    python scripts/make-goldens.py --tasks              200 sampled tasks of the tiny model (minutes)
    python scripts/make-goldens.py --perplexity         the tiny model's perplexity of a text
    python scripts/make-goldens.py --embeddings         embeddings of the tiny model and of random ones
    python scripts/make-goldens.py --rerank             scores of the tiny model as a reranker
    python scripts/make-goldens.py --adapters           random models with random adapters
    python scripts/make-goldens.py --conversion         what mlx-lm's convert makes of random checkpoints
    python scripts/make-goldens.py --rounding           what MLX's quantize makes of floats in the modes of small floats
    python scripts/make-goldens.py --model DIR NAME     greedy text of another model directory with a tokenizer
    python scripts/make-goldens.py --check SEED [COUNT] new random models, compared on the spot with `punie generate`
    python scripts/make-goldens.py --check-conversions SEED [COUNT]
                                                        new random checkpoints, converted by mlx-lm and by punie
"""

import argparse
import json
import tempfile
from pathlib import Path

from goldens.adapters import adapter_rows
from goldens.cases import LONG_PROMPT_TOKENS, STEPS, all_cases
from goldens.check import check
from goldens.check_conversion import check_conversions
from goldens.quantization_cases import quantization_cases, reference_runs
from goldens.embeddings import model_rows, text_rows
from goldens.perplexity import conversations, perplexity_golden
from goldens.conversion import conversion_goldens
from goldens.random_model import write_random_model
from goldens.reference import golden_run
from goldens.rerank import rerank_golden
from goldens.rounding import rounding_rows
from goldens.sampling import sampling_golden
from goldens.tasks import conversation_prompts, tasks_golden

FIXTURES = Path(__file__).resolve().parent.parent / "tests" / "fixtures"
TINY = FIXTURES / "tiny-coder-4bit"
TASKS, TASKS_SEED = 200, 12345
SAMPLED_CASE = "llama, 4 bits, group 64"


def save(name, head, key, rows):
    """One row per line, so that a diff shows which row changed."""
    compact = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    lines = ",\n".join(compact(row) for row in rows)
    path = FIXTURES / "goldens" / f"{name}.golden.json"
    path.parent.mkdir(exist_ok=True)
    opening = compact({"mlxLm": "0.32.2", **head})[:-1]
    path.write_text(f'{opening},"{key}":[\n{lines}\n]}}\n')
    print(f"{path.name}: {len(rows)} {key}, {path.stat().st_size // 1024} KB")


def row_of(case, runs):
    """A case as the tests read it; says how much of it can go wrong unnoticed."""
    leads = [a[0] - a[1] for run in runs for a in run["logprobs"]]
    clear = sum(lead > 0.02 for lead in leads)
    distinct = len({ids[0] for run in runs for ids in run["ids"]})
    errors = ", ".join(f"{run['bf16Error']:.5f}" for run in runs)
    print(f"{case['name']}: {clear} of {len(leads)} steps clear, {distinct} ids, bf16 error {errors}")
    return {**{key: value for key, value in case.items() if key != "prompts"}, "runs": runs}


def quantization_goldens():
    rows = []
    for case in quantization_cases():
        with tempfile.TemporaryDirectory() as directory:
            rows.append(row_of(case, reference_runs(case, directory)))
    save("quantization", {}, "cases", rows)


def random_goldens():
    rows = []
    for case in all_cases():
        with tempfile.TemporaryDirectory() as directory:
            write_random_model(case, directory)
            runs = [golden_run(directory, prompt, STEPS) for prompt in case["prompts"]]
            rows.append(row_of(case, runs))
            if case["name"].startswith(SAMPLED_CASE):
                golden = sampling_golden(case, directory)
    save("random-models", {}, "cases", rows)
    processors = golden.pop("processors")
    save("sampling", golden, "processors", processors)


def model_golden(path, name, steps=32, whole=False):
    """Greedy runs of a model that has a tokenizer: a short prompt and, where time allows, a long one."""
    prompts = conversation_prompts(path, LONG_PROMPT_TOKENS)[: 1 if whole else 2]
    save(name, {}, "runs", [golden_run(path, prompt, steps, whole) for prompt in prompts])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--quantization", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--tasks", action="store_true")
    parser.add_argument("--perplexity", action="store_true")
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--rerank", action="store_true")
    parser.add_argument("--adapters", action="store_true")
    parser.add_argument("--conversion", action="store_true")
    parser.add_argument("--rounding", action="store_true")
    parser.add_argument("--model", nargs=2, metavar=("DIR", "NAME"))
    parser.add_argument("--check", nargs="+", type=int, metavar="SEED [COUNT]")
    parser.add_argument("--check-conversions", nargs="+", type=int, metavar="SEED [COUNT]")
    given = parser.parse_args()
    everything = not any(vars(given).values())
    if given.random or everything:
        random_goldens()
    if given.quantization or everything:
        quantization_goldens()
    if given.tiny or everything:
        model_golden(TINY, "tiny-coder")
    if given.tasks or everything:
        golden = tasks_golden(TINY, TASKS, TASKS_SEED)
        save("tasks", {"tools": golden["tools"]}, "tasks", golden["tasks"])
    if given.perplexity or everything:
        text = conversations(TINY)
        (FIXTURES / "conversations.txt").write_text(text)
        tokens, rows = perplexity_golden(TINY, text)
        save("perplexity", {"tokens": tokens}, "rows", rows)
    if given.embeddings or everything:
        save("embeddings", {"texts": text_rows(TINY)}, "models", list(model_rows()))
    if given.rerank or everything:
        head, rows = rerank_golden(TINY)
        save("rerank", head, "rows", rows)
    if given.adapters or everything:
        save("adapters", {}, "cases", list(adapter_rows()))
    if given.conversion or everything:
        save("conversion", {}, "checkpoints", list(conversion_goldens()))
    if given.rounding or everything:
        save("small-floats", {}, "rows", list(rounding_rows()))
    if given.model:
        model_golden(Path(given.model[0]), given.model[1], whole=True)
    if given.check:
        check(*given.check)
    if given.check_conversions:
        check_conversions(*given.check_conversions)


if __name__ == "__main__":
    main()
