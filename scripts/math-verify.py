"""Judges tests/answers/answer-pairs.jsonl by the PyPI package math-verify, one true or false a line:

    pip install "math-verify[antlr4_13_2]"
    python scripts/math-verify.py > /tmp/math-verify.jsonl
    node scripts/bun.js scripts/answers.ts /tmp/math-verify.jsonl
"""

import json
import logging
import pathlib

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
