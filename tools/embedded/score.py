"""The constants that turn the encoder's two similarities into a logit.

`logit = scale · (cosine + maxsim_weight · MaxSim) + offset`. The weight is a round number (decision 0015). Scale and
offset are fitted by `calibrate`, so that the logit's sigmoid is the probability of relevance if half the documents are
relevant; they do not affect the ranking.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """The constants of one graph."""

    scale: float
    offset: float
    maxsim_weight: float = 1.0


SCORE = Score(scale=4.51, offset=-4.14)
"""`calibrate` with its defaults, on the int8 artefact and 2,630 pairs, gives 4.5112 and -4.1422; a similarity of 0.918
means a probability of 0.5. Each dataset alone gives 4.82 and -4.24 (FiQA), 3.38 and -2.57 (NFCorpus), 4.95 and -4.92
(TAT-QA)."""
