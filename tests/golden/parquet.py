"""Writes dapo.parquet, two rows in the layout of DAPO-Math-17k: pip install pyarrow; python parquet.py"""

import pathlib

import pyarrow
import pyarrow.parquet

rows = [
    {
        "data_source": "math_dapo",
        "prompt": [{"content": f"What is {n} * 8?", "role": "user"}],
        "reward_model": {"ground_truth": str(8 * n), "style": "rule-lighteval/MATH_v2"},
        "extra_info": {"index": str(n)},
    }
    for n in (9, 10)
]
path = pathlib.Path(__file__).parent / "dapo.parquet"
pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, compression="snappy")
