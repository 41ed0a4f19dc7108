"""N(x, a): how often each outcome was sampled for each question."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable


class OutcomeCounter:
    """None is an outcome of its own, and collides with no string."""

    def __init__(self) -> None:
        self._questions: defaultdict[str, Counter] = defaultdict(Counter)

    def counts(self, question: str, outcomes: Iterable[str | None]) -> list[int]:
        """N(x, a_i) of each completion of a group: what this step's bonuses are computed from."""
        seen = self._questions.get(question, {})
        return [seen.get(outcome, 0) for outcome in outcomes]

    def add(self, question: str, outcomes: Iterable[str | None]) -> None:
        """Counts every completion of a group once: after the step that it belongs to."""
        self._questions[question].update(outcomes)

    def save(self, path: str) -> None:
        """As JSON lines of (question, outcome, N), beside a checkpoint: without counts a run starts its exploration anew."""
        with open(path, "w", encoding="utf-8") as file:
            for question, seen in self._questions.items():
                for outcome, count in seen.items():
                    file.write(json.dumps([question, outcome, count]) + "\n")

    def load(self, path: str) -> None:
        self._questions.clear()
        with open(path, encoding="utf-8") as file:
            for line in file:
                question, outcome, count = json.loads(line)
                self._questions[question][outcome] = count
