"""Compare how an artefact's tokenizer.json reads texts with how transformers read them, without transformers.

The texts and the ids that transformers read are stored with the artefact (`reference.py`), so that every machine, and
every later version of the tokenizers library, can be checked.
"""

from pathlib import Path
from typing import NamedTuple

from models.artefact import ArtefactError
from models.pair import Pair
from models.prepare.token_probes import Probe, TokenRecord
from models.tokenise import Tokeniser

LONGEST_PROBE = 100_000
"""A window in tokens that no probe fills: what the model's own window cuts off would not be compared."""
SHOWN_IDS = 6
"""Token ids that a message shows of each side, from the first that differs."""
SHOWN_CHARACTERS = 60


class Difference(NamedTuple):
    """A probe that the two read differently."""

    probe: Probe
    ours: Pair | None
    theirs: Pair
    why: str = ""
    """Why tokenizer.json alone reads no pairs at all, if it does not."""

    def __str__(self) -> str:
        if self.ours is None:
            return self.why.partition(":")[0]
        rows = [as_rows(pair) for pair in (self.ours, self.theirs)]
        same = next((at for at, (one, other) in enumerate(zip(*rows, strict=False)) if one != other), len(rows[0]))
        first = max(0, min(same, *(len(pair) for pair in (self.ours, self.theirs))) - 1)
        what = "segment ids" if self.ours.ids.tolist() == self.theirs.ids.tolist() else "token ids"
        ours, theirs = (
            _shortened((pair.types if what == "segment ids" else pair.ids).tolist(), first)
            for pair in (self.ours, self.theirs)
        )
        text = self.probe.text
        shown = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
        return f"{self.probe.kind}, {shown!r}: {what} {ours} by tokenizer.json, {theirs} by transformers"


def first_difference(file: Path, record: TokenRecord) -> Difference | None:
    """Find the first probe that a tokenizer.json reads differently from transformers."""
    try:
        whole = Tokeniser.open(file, LONGEST_PROBE)
    except ArtefactError as error:
        return Difference(record.probes[0], None, record.pairs[0], str(error))
    for probe, theirs in zip(record.probes, record.pairs, strict=True):
        tokeniser = whole if probe.max_tokens is None else whole.with_window(probe.max_tokens)
        ours = tokeniser.pairs(probe.query, [probe.document])[0]
        if as_rows(ours) != as_rows(theirs):
            return Difference(probe, ours, theirs)
    return None


def as_rows(pair: Pair) -> list[tuple[int, int]]:
    """Return the token id and the segment id of every token of a pair."""
    return list(zip(pair.ids.tolist(), pair.types.tolist(), strict=True))


def _shortened(ids: list[int], first: int) -> str:
    """Show some of a list of ids from the one before the first that differs."""
    shown = ", ".join(map(str, ids[first : first + SHOWN_IDS]))
    return f"[{'…, ' if first else ''}{shown}{', …' if first + SHOWN_IDS < len(ids) else ''}]"
