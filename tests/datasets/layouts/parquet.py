"""Writes the Parquet files of this folder: pip install pyarrow; python parquet.py"""

import pathlib

import pyarrow
import pyarrow.parquet

DAPO_BEFORE = (
    "Solve the following math problem step by step. The last line of your response should be of the form "
    "Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
)
DAPO_AFTER = '\n\nRemember to put your answer on its own line after "Answer:".'
VERL_AFTER = ' Let\'s think step by step and output the final answer after "####".'


def verl(source, style, pairs, before="", after=""):
    for index, (question, answer) in enumerate(pairs):
        yield {
            "data_source": source,
            "prompt": [{"content": before + question + after, "role": "user"}],
            "ability": "MATH",
            "reward_model": {"ground_truth": answer, "style": style},
            "extra_info": {"index": str(index)},
        }


def tinyzero(tasks):
    for index, (nums, target) in enumerate(tasks):
        text = f"Using the numbers {nums}, create an equation that equals {target}."
        yield {
            "target": target,
            "nums": nums,
            "data_source": "countdown",
            "prompt": [{"content": text, "role": "user"}],
            "ability": "math",
            "reward_model": {"ground_truth": {"target": target, "numbers": nums}, "style": "rule"},
            "extra_info": {"index": index, "split": "train"},
        }


FILES = {
    "dapo-math-17k": verl(
        "math_dapo",
        "rule-lighteval/MATH_v2",
        [("Find the sum of the primes below $20$.", "77"), ("Find the remainder of $2^{10}$ by $7$.", "2")],
        DAPO_BEFORE,
        DAPO_AFTER,
    ),
    "verl-gsm8k": verl(
        "openai/gsm8k",
        "rule",
        [("A crate holds 12 jars. How many do 6 crates hold?", "72"), ("Ann has $1,250 and spends $50. What is left?", "1200")],
        after=VERL_AFTER,
    ),
    "verl-countdown": tinyzero([([3, 5, 8], 16), ([100, 4, 25, 7], 7)]),
    "countdown-tasks": [{"target": 98, "nums": [44, 19, 35]}, {"target": 64, "nums": [63, 95, 96]}],
    "aime-2024": [
        {"ID": "2024-I-1", "Problem": "Find $7 \\cdot 29 + 1$.", "Solution": "It is $\\boxed{204}$.", "Answer": 204},
        {"ID": "2024-II-2", "Problem": "Find the least $n$ with $n^2 > 600$.", "Solution": "As $25^2 = 625$, $\\boxed{025}$.", "Answer": 25},
    ],
    "amc23": [
        {"id": 0, "question": "How many minutes are $0.45$ hours?", "answer": 27.0, "url": "https://example.org/1"},
        {"id": 1, "question": "What is the average of $9$ and $10$?", "answer": 9.5, "url": "https://example.org/2"},
    ],
}

for name, rows in FILES.items():
    path = pathlib.Path(__file__).parent / f"{name}.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path, compression="snappy")


def pages(index):
    """Rows whose lists have 0 to 4 elements, some of them missing, to be spread over many pages."""
    return {
        "question": f"question {index} " + "x" * (index % 50),
        "answer": None if index % 7 == 3 else index,
        "target": str(index),
        "prompt": None if index % 5 == 4 else [{"role": "user", "content": f"{index}.{k}"} for k in range(index % 5)],
        "extra": {"list": [[i, None] for i in range(index % 3)], "share": index / 4},
    }


table = pyarrow.Table.from_pylist([pages(index) for index in range(1000)])
for version, compression in [("1.0", "zstd"), ("2.0", "brotli"), ("1.0", "gzip"), ("2.0", "none")]:
    path = pathlib.Path(__file__).parent / f"pages-{version}-{compression}.parquet"
    pyarrow.parquet.write_table(
        table, path, compression=compression, data_page_version=version, data_page_size=500, row_group_size=700
    )
