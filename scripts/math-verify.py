"""Judges tests/data/answer-pairs.jsonl by the PyPI package math-verify, one true or false a line:

    pip install "math-verify[antlr4_13_2]"
    python scripts/math-verify.py > /tmp/math-verify.jsonl
    node scripts/bun.js scripts/answers.ts /tmp/math-verify.jsonl
"""

import json
import logging
import pathlib

from math_verify import parse, verify

logging.disable(logging.CRITICAL)
table = pathlib.Path(__file__).parent.parent / "tests/data/answer-pairs.jsonl"


def boxed(text):
    return text if "\\boxed" in text else "\\boxed{" + text + "}"


for line in table.read_text(encoding="utf-8").splitlines():
    row = json.loads(line)
    gold = parse("$" + boxed(row["gold"].replace("#### ", "").replace("$", "")) + "$")
    for answer in row["equal"] + row["different"]:
        try:
            print(json.dumps(bool(verify(gold, parse("$" + boxed(answer.replace("$", "")) + "$")))), flush=True)
        except Exception:  # it gives up on some
            print("false", flush=True)
