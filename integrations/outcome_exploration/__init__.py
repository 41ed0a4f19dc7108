"""Outcome-based exploration (Song, Kempe, Munos 2025, arXiv 2509.06941) for any trainer, in plain Python.

For question x and n completions with outcomes a_1..a_n a term c * B_i is added to each advantage, after rewards were
normalised:

    ucb        B_i = b_i = min(1, 1/sqrt(N(x, a_i)))
    ucb-mean   B_i = b_i - mean of b_j over j != i
    ucb-con    B_i = b_i - b0
    batch      B_i = -(1/n) #{j != i : a_j = a_i}

N(x, a) counts how often outcome a was sampled for x in earlier steps. Two rules guard it: a question that is solved (all
completions right) gets 0, and a completion without an answer (None) is never rewarded for being new. The numbers are
those of rlexplore's own `lib/explore`, by golden files that both are tested with.
"""

from .counter import OutcomeCounter
from .judge import Judge, Judged
from .signal import METHODS, Exploration

__all__ = ["METHODS", "Exploration", "Judge", "Judged", "OutcomeCounter"]
