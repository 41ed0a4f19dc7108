"""Outcomes as rlexplore's judge has them: canonical keys, so that 1/2, 0.5 and \\frac12 are one answer."""

import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import NamedTuple


class Judged(NamedTuple):
    #: Canonical form of the final answer; None where there is none.
    outcome: str | None
    correct: bool


class Judge:
    """Asks a running `rlexplore judge --serve`; calls take whole batches."""

    def __init__(self, url: str = "http://127.0.0.1:8421", timeout: float = 60) -> None:
        self.url, self.timeout = url, timeout

    def __call__(
        self, questions: Sequence[str], answers: Sequence[str], completions: Sequence[str], truncated: Sequence[bool] | None = None
    ) -> list[Judged]:
        cut = truncated or [False] * len(completions)
        rows = [
            {"question": q, "answer": str(a), "completion": c, "truncated": bool(t)}
            for q, a, c, t in zip(questions, answers, completions, cut, strict=True)
        ]
        request = urllib.request.Request(self.url, json.dumps(rows).encode(), {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as reply:
                judged = json.load(reply)
        except urllib.error.HTTPError as error:
            raise ValueError(f"rlexplore judge: {error.read().decode().strip()}") from None
        except urllib.error.URLError as error:
            raise ConnectionError(f"no judge at {self.url} ({error.reason}); start one: rlexplore judge --serve") from None
        return [Judged(one["outcome"], one["correct"]) for one in judged]
