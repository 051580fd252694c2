"""The conversations that tests/fixtures/tiny-coder-4bit was trained on: short, checkable tasks (CC0)."""

import json, random

CAP = {
    "France": "Paris",
    "Japan": "Tokyo",
    "Italy": "Rome",
    "Spain": "Madrid",
    "Egypt": "Cairo",
    "Peru": "Lima",
    "Kenya": "Nairobi",
    "Norway": "Oslo",
    "Cuba": "Havana",
    "Greece": "Athens",
    "Austria": "Vienna",
    "Poland": "Warsaw",
    "Portugal": "Lisbon",
    "Ireland": "Dublin",
    "Finland": "Helsinki",
    "Sweden": "Stockholm",
    "Denmark": "Copenhagen",
    "Hungary": "Budapest",
    "Chile": "Santiago",
    "Canada": "Ottawa",
    "Brazil": "Brasilia",
    "China": "Beijing",
    "India": "New Delhi",
    "Iran": "Tehran",
    "Iraq": "Baghdad",
    "Nepal": "Kathmandu",
    "Ghana": "Accra",
    "Qatar": "Doha",
    "Thailand": "Bangkok",
    "Vietnam": "Hanoi",
}
HTTP = {
    200: "OK",
    201: "Created",
    204: "No Content",
    301: "Moved Permanently",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    418: "I'm a teapot",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
OPS = {"add": ("+", "sum"), "subtract": ("-", "difference"), "multiply": ("*", "product"), "divide": ("/", "quotient")}
NAMES = "Ada Alan Grace Linus Ken Barbara Edsger Donald Margaret Tim Guido Bjarne Dennis Radia Frances Leslie".split()
WORDS = (
    "red blue green stone river cloud table lamp paper window garden music "
    "winter silver orange planet engine button forest bridge candle marble copper rabbit"
).split()
DIRS = "src docs tests lib".split()
FILES = "main util server parser README notes".split()
EXT = "py ts md".split()
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "read_file",
            "description": "Read a file",
            "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        },
    },
    {
        "type": "function",
        "function": {
            "name": "write_file",
            "description": "Write a file",
            "parameters": {
                "type": "object",
                "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
                "required": ["path", "content"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "run_command",
            "description": "Run a command",
            "parameters": {
                "type": "object",
                "properties": {"command": {"type": "string"}, "args": {"type": "array", "items": {"type": "string"}}},
                "required": ["command"],
            },
        },
    },
]


def path(r):
    return (r.choice(DIRS) + "/" if r.random() < 0.7 else "") + r.choice(FILES) + "." + r.choice(EXT)


def call(name, **a):
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"type": "function", "function": {"name": name, "arguments": a}}],
    }


U = lambda c: {"role": "user", "content": c}
A = lambda c: {"role": "assistant", "content": c}


def fact(r):
    c = r.choice(list(CAP))
    q = r.choice(["What is the capital of {}?", "Name the capital of {}.", "Which city is the capital of {}?"])
    return [U(q.format(c)), A(f"The capital of {c} is {CAP[c]}.")]


def http(r):
    k = r.choice(list(HTTP))
    q = r.choice(["What does HTTP {} mean?", "Explain HTTP status {}."])
    return [U(q.format(k)), A(f"HTTP {k} means {HTTP[k]}.")]


def arith(r):
    a, b = r.randint(0, 10), r.randint(0, 10)
    return [U(r.choice(["What is {} + {}?", "Add {} and {}."]).format(a, b)), A(f"{a} + {b} = {a+b}")]


def code(r):
    o = r.choice(list(OPS))
    s, n = OPS[o]
    x, y = r.choice([("a", "b"), ("x", "y"), ("left", "right"), ("m", "n")])
    l = r.random() < 0.3
    if l:
        return [
            U(f"Write a TypeScript function that {o}s {x} and {y}."),
            A(f"```ts\nexport function {o}({x}: number, {y}: number): number {{\n  return {x} {s} {y};\n}}\n```"),
        ]
    return [
        U(f"Write a Python function that {o}s {x} and {y}."),
        A(f'```python\ndef {o}({x}, {y}):\n    """Return the {n} of {x} and {y}."""\n    return {x} {s} {y}\n```'),
    ]


def recall(r):
    n = r.choice(NAMES)
    w = r.choice(WORDS)
    m = [U(r.choice(["My name is {}.", "I am {}.", "Call me {}."]).format(n)), A(f"Hello {n}!")]
    if r.random() < 0.5:
        m += r.choice([fact, arith, http])(r)
    return m + [U("What is my name?"), A(f"Your name is {n}.")]


def repeat(r):
    t = " ".join(r.choice(WORDS) for _ in range(r.randint(1, 3)))
    return [U(f"Repeat: {t}"), A(t)]


def needle(r):
    k = r.sample(WORDS, r.randint(1, 3))
    v = {w: r.randint(1, 9) * 11 for w in k}
    q = r.choice(k)
    return [
        U(" ".join(f"The code for {w} is {v[w]}." for w in k) + f" What is the code for {q}?"),
        A(f"The code for {q} is {v[q]}."),
    ]


def js(r):
    n = r.choice(NAMES)
    a = r.randint(18, 90)
    return [U(f"Give JSON for {n}, age {a}."), A(json.dumps({"name": n, "age": a}))]


def count(r):
    n = r.randint(3, 10)
    return [U(f"Count to {n}."), A(" ".join(map(str, range(1, n + 1))))]


def tool(r):
    k = r.random()
    p = path(r)
    if k < 0.35:
        m = [
            U(r.choice(["Read {}.", "Open the file {}.", "Show me {}.", "What is in {}?"]).format(p)),
            call("read_file", path=p),
        ]
        if r.random() < 0.6:
            n = r.choice(WORDS)
            m += [{"role": "tool", "content": n}, A(f"The file {p} contains: {n}")]
    elif k < 0.65:
        t = " ".join(r.choice(WORDS) for _ in range(r.randint(1, 2)))
        m = [
            U(r.choice(['Write "{1}" to {0}.', 'Save "{1}" in {0}.', 'Create {0} with "{1}".']).format(p, t)),
            call("write_file", path=p, content=t),
        ]
        if r.random() < 0.5:
            m += [{"role": "tool", "content": "ok"}, A(f"I wrote {p}.")]
    elif k < 0.85:
        d = r.choice(DIRS)
        m = [
            U(r.choice(["List the files in {}.", "What files are in {}?"]).format(d)),
            call("run_command", command="ls", args=[d]),
        ]
        if r.random() < 0.5:
            f = path(r).split("/")[-1]
            m += [{"role": "tool", "content": f}, A(f"The folder {d} has: {f}")]
    else:
        m = [U(r.choice(["Run the tests.", "Run the test suite."])), call("run_command", command="npm", args=["test"])]
        if r.random() < 0.6:
            m += [{"role": "tool", "content": "pass"}, A("The tests pass.")]
    return m


def sample(r):
    k = r.random()
    if k < 0.38:
        return tool(r), TOOLS
    f = r.choice([fact, fact, http, arith, arith, code, code, recall, repeat, repeat, needle, needle, js, count])
    m = f(r)
    if r.random() < 0.15 and f is not recall:
        m = m + r.choice([fact, arith, http, repeat])(r)
    return m, (TOOLS if r.random() < 0.1 else None)
