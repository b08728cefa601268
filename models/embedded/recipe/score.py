"""The score's constants: how the encoder's two similarities become a logit.

`logit = scale · (cosine + maxsim_weight · MaxSim) + offset`. The weight is a round figure that was not tuned; scale and
offset are fitted by `calibrate`, so that the logit's sigmoid is the chance of relevance where half the documents are
relevant. Being one increasing line, they change no ranking.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """The constants of one graph."""

    scale: float
    offset: float
    maxsim_weight: float = 0.5


SCORE = Score(scale=6.50, offset=-4.27)
"""`calibrate` with its own defaults, on the int8 artefact and 2,630 pairs, found 6.4958 and -4.2679; a similarity of
0.657 is even odds. Each set alone gives 7.24 and -4.55 (FiQA), 4.60 and -2.48 (NFCorpus), 6.95 and -4.93 (TAT-QA)."""
