"""Give an artefact the tokenizer.json that reads texts as transformers reads them with the whole checkpoint.

The checkpoint's tokenizer.json is compared with the tokenizer that transformers builds, on many kinds of text. If they
differ, the built one is sealed in its place; if that is not possible either, the model is refused by a sentence that
names the file, the setting and a text that would be read differently.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from tokenizers import Tokenizer

from models.artefact import ArtefactError
from models.pair import Pair
from models.prepare.checkpoint_files import BESIDE, CONFIG, TOKENIZER
from models.prepare.checkpoint_tokenizer import TOKENIZER_CONFIG, CheckpointTokenizer, open_tokenizer
from models.prepare.errors import PrepareError
from models.prepare.json_file import read_json
from models.prepare.pairs import Text
from models.prepare.progress import Progress
from models.prepare.token_probes import Probe, make_probes
from models.tokenise import Tokeniser

LONGEST_PROBE = 100_000
"""A window in tokens that no probe fills: what the model's own window cuts off would not be compared."""
SHOWN_IDS = 6
"""Token ids that a message shows of each side, from the first that differs."""
SHOWN_CHARACTERS = 60
WITHOUT_EFFECT = frozenset(
    {"model_max_length", "chat_template", "name_or_path", "padding_side", "max_length", "tokenizer_file", "backend"}
)
"""Settings of tokenizer_config.json that change no token of a single pair."""


class TokenRecord(NamedTuple):
    """The probes with the ids that transformers reads, and who read them."""

    by: str
    probes: list[Probe]
    pairs: list[Pair]


class SettledTokenizer(NamedTuple):
    """The tokenizer of an artefact: the file beside its graph, and transformers' own to compare it with."""

    file: Path
    theirs: CheckpointTokenizer
    record: TokenRecord


class Difference(NamedTuple):
    """A probe that the two read differently."""

    probe: Probe
    ours: Pair | None
    theirs: Pair
    why: str = ""
    """Why tokenizer.json alone reads no pairs at all, if it does not."""

    def __str__(self) -> str:
        if self.ours is None:
            return self.why
        rows = [_rows(pair) for pair in (self.ours, self.theirs)]
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


def settle_tokenizer(checkpoint: Path, folder: Path, texts: Sequence[Text], progress: Progress) -> SettledTokenizer:
    """Write the tokenizer.json of an artefact and compare it with transformers' tokenizer.

    Args:
        checkpoint: the checkpoint's folder.
        folder: the artefact's folder.
        texts: the texts of the parity pairs.
        progress: where it is told that the checkpoint's tokenizer.json is not taken as it is.

    Raises:
        PrepareError: no tokenizer.json reads every text as transformers does.
        ArtefactError: the layout of a pair is not that of a cross-encoder.
    """
    file, theirs = folder / TOKENIZER, open_tokenizer(checkpoint)
    rows = _table_rows(checkpoint)
    shutil.copyfile(checkpoint / TOKENIZER, file)
    _refuse_beyond_table(checkpoint / TOKENIZER, rows)
    probes = make_probes(Tokenizer.from_file(str(file)), theirs.special_tokens(), texts)
    record = _record(theirs, probes, rows)
    difference = _first_difference(file, record)
    if difference is not None:
        _take_built_one(checkpoint, file, theirs, record, difference, rows)
        progress.note(
            f"the artefact gets the tokenizer that transformers builds ({theirs.class_name}), because "
            f"{_cause(checkpoint, theirs, difference)} changes what tokenizer.json says; {difference}"
        )
    return SettledTokenizer(file, theirs, record)


def _take_built_one(
    checkpoint: Path,
    file: Path,
    theirs: CheckpointTokenizer,
    record: TokenRecord,
    difference: Difference,
    rows: int | None,
) -> None:
    built = theirs.tokenizer_json(rows, _text_of(checkpoint))
    if built is not None:
        file.write_text(built, encoding="utf-8")
        _refuse_beyond_table(file, rows)
        remaining = _first_difference(file, record)
        if remaining is None:
            return
        if remaining.ours is None:
            raise ArtefactError(remaining.why)
        difference = remaining
    raise PrepareError(
        f"{checkpoint.name}: transformers reads other tokens than a tokenizer.json can say, because of "
        f"{_cause(checkpoint, theirs, difference)}; {difference}: the model cannot be served as it was trained"
    )


def _record(theirs: CheckpointTokenizer, probes: Sequence[Probe], rows: int | None) -> TokenRecord:
    """Read the probes with transformers, without those that have a token which the model does not know."""
    read = [(probe, theirs.pair(probe.query, probe.document, probe.max_tokens)) for probe in probes]
    known = [(probe, pair) for probe, pair in read if rows is None or pair.ids.max() < rows]
    if not known:
        raise PrepareError(
            f"every pair has a token beyond the {rows} rows of the model's word table (vocab_size in {CONFIG}): the "
            f"special tokens of {theirs.class_name} are not this model's"
        )
    return TokenRecord(theirs.name, [probe for probe, _ in known], [pair for _, pair in known])


def _first_difference(file: Path, record: TokenRecord) -> Difference | None:
    """Find the first probe that a tokenizer.json reads differently from transformers."""
    try:
        whole = Tokeniser.open(file, LONGEST_PROBE)
    except ArtefactError as error:
        return Difference(record.probes[0], None, record.pairs[0], str(error))
    for probe, theirs in zip(record.probes, record.pairs, strict=True):
        tokeniser = whole if probe.max_tokens is None else whole.with_window(probe.max_tokens)
        ours = tokeniser.pairs(probe.query, [probe.document])[0]
        if _rows(ours) != _rows(theirs):
            return Difference(probe, ours, theirs)
    return None


def _cause(checkpoint: Path, theirs: CheckpointTokenizer, difference: Difference) -> str:
    """Name the setting without which transformers would read the probe as tokenizer.json says."""
    stated = read_json(checkpoint / TOKENIZER_CONFIG)
    if difference.ours is not None:
        for name in sorted(stated.keys() - WITHOUT_EFFECT - {"tokenizer_class"}):
            if _reads_as_ours_without(name, checkpoint, difference.probe, difference.ours):
                value = msgspec.json.encode(stated[name]).decode()[:SHOWN_CHARACTERS]
                return f"{name} ({value}) in {TOKENIZER_CONFIG}"
    if "tokenizer_class" in stated:
        return f"tokenizer_class ({stated['tokenizer_class']}) in {TOKENIZER_CONFIG}"
    return f"transformers' class for the model_type in {CONFIG} ({theirs.class_name})"


def _reads_as_ours_without(name: str, checkpoint: Path, probe: Probe, ours: Pair) -> bool:
    """Open the checkpoint's tokenizer without one setting and compare how it reads a probe."""
    with tempfile.TemporaryDirectory() as folder:
        for path in checkpoint.iterdir():
            if path.is_file() and path.name != TOKENIZER_CONFIG:
                (Path(folder) / path.name).symlink_to(path.resolve())
        stated = read_json(checkpoint / TOKENIZER_CONFIG)
        del stated[name]
        (Path(folder) / TOKENIZER_CONFIG).write_bytes(msgspec.json.encode(stated))
        try:
            pair = open_tokenizer(Path(folder)).pair(probe.query, probe.document, probe.max_tokens)
        except PrepareError:
            return False
    return _rows(pair) == _rows(ours)


def _table_rows(checkpoint: Path) -> int | None:
    rows = read_json(checkpoint / CONFIG).get("vocab_size")
    return rows if isinstance(rows, int) else None


def _refuse_beyond_table(tokenizer: Path, rows: int | None) -> None:
    """Refuse a tokenizer with tokens for which the model has no vector: a text that contains one could not be read."""
    vocabulary = Tokenizer.from_file(str(tokenizer)).get_vocab(with_added_tokens=True)
    last = max(vocabulary, key=lambda token: vocabulary[token], default=None)
    if rows is not None and last is not None and vocabulary[last] >= rows:
        raise PrepareError(
            f"tokenizer.json has the token {last!r} with the id {vocabulary[last]}, but the model's word table has "
            f"only {rows} rows (vocab_size in {CONFIG}): use the tokenizer that the model was trained with"
        )


def _text_of(checkpoint: Path) -> str:
    """Return what the checkpoint's files say of the tokenizer, as text."""
    names = BESIDE
    return "\n".join((checkpoint / name).read_text() for name in names if (checkpoint / name).is_file())


def _rows(pair: Pair) -> list[tuple[int, int]]:
    return list(zip(pair.ids.tolist(), pair.types.tolist(), strict=True))


def _shortened(ids: list[int], first: int) -> str:
    """Show some of a list of ids from the one before the first that differs."""
    shown = ", ".join(map(str, ids[first : first + SHOWN_IDS]))
    return f"[{'…, ' if first else ''}{shown}{', …' if first + SHOWN_IDS < len(ids) else ''}]"
