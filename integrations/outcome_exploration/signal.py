"""The exploration term of a group, from its outcomes and their counts."""

import math
from collections.abc import Callable, Sequence

Outcomes = Sequence[str | None]


def historical_bonus(count: int) -> float:
    """b = min(1, 1/sqrt(N)): 1 for a new answer, 1/2 after four sightings."""
    return 1.0 if count == 0 else min(1.0, 1 / math.sqrt(count))


def _ucb(outcomes: Outcomes, counts: Sequence[int], b0: float) -> list[float]:
    return [historical_bonus(count) for count in counts]


def _ucb_mean(outcomes: Outcomes, counts: Sequence[int], b0: float) -> list[float]:
    bonuses = _ucb(outcomes, counts, b0)
    # a mean of differences, so that equal bonuses give exactly 0
    return [sum(b - other for other in bonuses) / max(1, len(bonuses) - 1) for b in bonuses]


def _ucb_con(outcomes: Outcomes, counts: Sequence[int], b0: float) -> list[float]:
    return [historical_bonus(count) - b0 for count in counts]


def _batch(outcomes: Outcomes, counts: Sequence[int], b0: float) -> list[float]:
    outcomes = list(outcomes)
    return [(1 - outcomes.count(outcome)) / len(outcomes) for outcome in outcomes]


METHODS: dict[str, Callable[[Outcomes, Sequence[int], float], list[float]]] = {
    "ucb": _ucb,
    "ucb-mean": _ucb_mean,
    "ucb-con": _ucb_con,
    "batch": _batch,
}


class Exploration:
    """A sum of terms: `Exploration("ucb-con,batch", [0.2, 0.1])`; one coefficient serves all."""

    def __init__(self, explore: str = "ucb-con", coef: float | Sequence[float] = 0.2, b0: float = 0.5) -> None:
        self.names = [] if explore == "none" else [name.strip() for name in explore.split(",")]
        for name in self.names:
            if name not in METHODS:
                raise ValueError(f"no exploration method {name!r}; there are none, {', '.join(METHODS)}")
        coefs = [coef] if isinstance(coef, (int, float)) else list(coef)
        self.coefs = coefs * len(self.names) if len(coefs) == 1 else coefs
        if len(self.coefs) != len(self.names):
            raise ValueError(f"{len(self.coefs)} coefficients for {len(self.names)} terms: give one for all, or one each")
        self.b0 = b0

    def signal(self, outcomes: Outcomes, counts: Sequence[int], correct: Sequence[bool]) -> list[float]:
        """sum over terms of c * B_i [n]; `counts` are N(x, a_i) of earlier steps, `correct` which answers are right."""
        total = [0.0] * len(outcomes)
        if all(correct):
            return total
        for name, coef in zip(self.names, self.coefs):
            for i, b in enumerate(METHODS[name](outcomes, counts, self.b0)):
                total[i] += coef * (min(0.0, b) if outcomes[i] is None else b)
        return total
