"""Checks the plug-ins' shared package against rlexplore's own numbers; argument: the address of a judge, if one runs."""

import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../integrations"))

from outcome_exploration import Exploration, Judge, OutcomeCounter  # noqa: E402

with open(os.path.join(os.path.dirname(__file__), "golden.json"), encoding="utf-8") as file:
    steps = json.load(file)

counter = OutcomeCounter()
for i, step in enumerate(steps):
    counts = counter.counts(step["question"], step["outcomes"])
    assert counts == step["counts"], (i, counts, step["counts"])
    signal = Exploration(step["explore"], step["coef"], step["b0"]).signal(step["outcomes"], counts, step["correct"])
    assert len(signal) == len(step["signal"])
    assert all(abs(a - b) <= 1e-15 for a, b in zip(signal, step["signal"])), (i, signal, step["signal"])
    counter.add(step["question"], step["outcomes"])
    if i == len(steps) // 2:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "counts.jsonl")
            counter.save(path)
            counter = OutcomeCounter()
            counter.load(path)

for explore, coef in [("ucb-com", 0.2), ("ucb,batch", [0.1, 0.2, 0.3])]:
    try:
        Exploration(explore, coef)
    except ValueError:
        continue
    raise AssertionError(f"{explore} {coef} was taken")

if len(sys.argv) > 1:
    judged = Judge(sys.argv[1])(["q"] * 3, ["1/2", 7, "7"], [r"\boxed{0.5}", "#### 8", "well"])
    assert [tuple(one) for one in judged] == [("1/2", True), ("8", False), (None, False)], judged
    try:
        Judge(sys.argv[1])(["q"], [""], ["x"])
        raise AssertionError("a gold that is no answer was taken")
    except ValueError as error:
        assert "is no answer" in str(error), error
try:
    Judge("http://127.0.0.1:1")(["q"], ["1"], ["x"])
    raise AssertionError("there was a judge")
except ConnectionError as error:
    assert "rlexplore judge --serve" in str(error)

print(f"{len(steps)} steps agree")
