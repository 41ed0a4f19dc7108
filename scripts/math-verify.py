"""Two comparisons with the PyPI package math-verify (pip install "math-verify[antlr4_13_2]"):

how it judges tests/answers/answer-pairs.jsonl, one true or false a line:

    python scripts/math-verify.py > /tmp/math-verify.jsonl
    node scripts/bun.js scripts/answers.ts /tmp/math-verify.jsonl

and its own tests, from its source distribution, as {gold, completion, equal, kind} a line, for us to judge:

    pip download --no-deps --no-binary :all: math-verify && tar xzf math_verify-*.tar.gz
    python scripts/math-verify.py math_verify-*/tests > /tmp/tests.jsonl
    node scripts/bun.js scripts/answers.ts tests /tmp/tests.jsonl
"""

import ast
import json
import logging
import math
import pathlib
import sys


def judged_table():
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    table = pathlib.Path(__file__).parent.parent / "tests/answers/answer-pairs.jsonl"

    def boxed(text):
        return text if "\\boxed" in text else "\\boxed{" + text + "}"

    def read(text):
        # its limit of 5 seconds would make the figures depend on the machine
        return parse("$" + boxed(text) + "$", parsing_timeout=60)

    for line in table.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        gold = read(row["gold"].replace("#### ", "").replace("$", ""))
        for answer in row["equal"] + row["different"]:
            try:
                judged = verify(gold, read(answer.replace("$", "")), timeout_seconds=60)
                print(json.dumps(bool(judged)), flush=True)
            except Exception:  # it gives up on some
                print("false", flush=True)


def own_tests(folder):
    """Every parametrized test of a right answer, an answer and whether they are equal."""
    for path in sorted(pathlib.Path(folder).glob("test_*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            for decorator in function.decorator_list:
                if not isinstance(decorator, ast.Call) or len(decorator.args) < 2:
                    continue
                names = [name.strip() for name in ast.literal_eval(decorator.args[0]).split(",")]
                if "gold" not in names:
                    continue
                for case in decorator.args[1].elts:
                    values = eval(compile(ast.Expression(case), str(path), "eval"), {"math": math})
                    row = dict(zip(names, values))
                    equal = bool(row.get("expected", row.get("result")))
                    one = {"kind": function.name, "gold": row["gold"], "completion": row["pred"]}
                    print(json.dumps({**one, "equal": equal}))


own_tests(sys.argv[1]) if len(sys.argv) > 1 else judged_table()
