"""Give an artefact the tokenizer.json that reads texts as transformers reads them with the whole checkpoint.

The checkpoint's tokenizer.json is compared with the tokenizer that transformers builds, on many kinds of text. If they
differ, the built one is sealed in its place; if that is not possible either, the model is refused by a sentence that
names the file, the setting and a text that would be read differently.
"""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from tokenizers import Tokenizer

from models.artefact import ArtefactError
from models.pair import Pair
from models.prepare.checkpoint_files import BESIDE, CONFIG, TOKENIZER
from models.prepare.checkpoint_tokenizer import TOKENIZER_CONFIG, CheckpointTokenizer, open_tokenizer
from models.prepare.decoders import refuse_decoder
from models.prepare.errors import PrepareError
from models.prepare.json_file import read_json
from models.prepare.pairs import Sample, Text, samples_with_texts
from models.prepare.progress import Progress
from models.prepare.token_agreement import Difference, as_rows, first_difference
from models.prepare.token_probes import Probe, TokenRecord, make_probes

SHOWN_CHARACTERS = 60
"""Characters that a message shows of a setting's value."""
WITHOUT_EFFECT = frozenset(
    {"model_max_length", "chat_template", "name_or_path", "padding_side", "max_length", "tokenizer_file", "backend"}
)
"""Settings of tokenizer_config.json that change no token of a single pair."""


class SettledTokenizer(NamedTuple):
    """The tokenizer of an artefact: the file beside its graph, and transformers' own to compare it with."""

    file: Path
    theirs: CheckpointTokenizer
    record: TokenRecord

    def samples(self, max_tokens: int, texts: Sequence[Text]) -> list[Sample]:
        """Make the parity pairs (see `pairs.samples`) and have transformers encode each.

        A query that is longer than three quarters of its window is cut to that (see `models.tokenise`), which
        transformers cannot do: such a pair is taken as it is.

        Raises:
            PrepareError: transformers reads a pair differently.
        """
        made = samples_with_texts(self.file, max_tokens, texts)
        tokenizer = Tokenizer.from_file(str(self.file))
        tokenizer.no_truncation()
        whole = [
            texts
            for _, texts in made
            if texts.document
            and 0 < len(tokenizer.encode(texts.query, add_special_tokens=False).ids) <= texts.max_tokens * 3 // 4
        ]
        for texts_of_pair in whole:
            query, document, window, ours = texts_of_pair
            theirs = self.theirs.pair(query, document, window)
            if as_rows(ours) != as_rows(theirs):
                difference = Difference(Probe("a parity pair", query, document, window), ours, theirs)
                raise PrepareError(f"{difference}: the model cannot be served as it was trained")
        return [sample for sample, _ in made]


def settle_tokenizer(
    name: str, checkpoint: Path, folder: Path, texts: Sequence[Text], progress: Progress
) -> SettledTokenizer:
    """Write the tokenizer.json of an artefact and compare it with transformers' tokenizer.

    Args:
        name: the model's name in messages.
        checkpoint: the checkpoint's folder.
        folder: the artefact's folder.
        texts: the texts of the parity pairs.
        progress: where it is told that the checkpoint's tokenizer.json is not taken as it is.

    Raises:
        PrepareError: no tokenizer.json reads every text as transformers does.
        ArtefactError: the layout of a pair is not that of a cross-encoder.
    """
    config = read_json(checkpoint / CONFIG)
    if isinstance(config.get("model_type"), str):  # a ready graph's config is not checked elsewhere
        refuse_decoder(name, str((config.get("architectures") or ["model"])[0]), config["model_type"])
    file, theirs = folder / TOKENIZER, open_tokenizer(checkpoint)
    rows = _table_rows(checkpoint)
    shutil.copyfile(checkpoint / TOKENIZER, file)
    refuse_beyond_table(file, rows)
    stated = _stated(checkpoint)
    _refuse_last({token: token_id for token, token_id in theirs.vocabulary().items() if token in stated}, rows)
    probes = make_probes(Tokenizer.from_file(str(file)), theirs.special_tokens(), texts)
    record = _record(theirs, probes, rows)
    difference = first_difference(file, record)
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
    built = theirs.tokenizer_json(rows, _stated(checkpoint))
    if built is not None:
        file.write_text(built, encoding="utf-8")
        refuse_beyond_table(file, rows)
        remaining = first_difference(file, record)
        if remaining is None:
            return
        if remaining.ours is None:
            raise ArtefactError(remaining.why)
        difference = remaining
    raise PrepareError(
        f"transformers reads other tokens than a tokenizer.json can say, because of "
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


def _cause(checkpoint: Path, theirs: CheckpointTokenizer, difference: Difference) -> str:
    """Name the setting or the file without which transformers would read the probe as tokenizer.json says."""
    stated = read_json(checkpoint / TOKENIZER_CONFIG)
    settings = sorted(stated.keys() - WITHOUT_EFFECT - {"tokenizer_class"})
    files = [file for file in BESIDE if file != TOKENIZER_CONFIG and (checkpoint / file).is_file()]
    if difference.ours is not None:
        for name in [*settings, *files]:
            if not _reads_as_ours_without(name, checkpoint, difference.probe, difference.ours):
                continue
            if name in files:
                return name
            value = msgspec.json.encode(stated[name]).decode()[:SHOWN_CHARACTERS]
            return f"{name} ({value}) in {TOKENIZER_CONFIG}"
    for file, content in ((TOKENIZER_CONFIG, stated), (CONFIG, read_json(checkpoint / CONFIG))):
        if content.get("tokenizer_class"):
            return f"tokenizer_class ({content['tokenizer_class']}) in {file}"
    return f"transformers' class for the model_type in {CONFIG} ({theirs.class_name})"


def _reads_as_ours_without(name: str, checkpoint: Path, probe: Probe, ours: Pair) -> bool:
    """Open the checkpoint's tokenizer without one setting, or one file, and compare how it reads a probe."""
    with tempfile.TemporaryDirectory() as folder:
        for path in checkpoint.iterdir():
            if path.is_file() and path.name not in {TOKENIZER_CONFIG, name}:
                (Path(folder) / path.name).symlink_to(path.resolve())
        stated = read_json(checkpoint / TOKENIZER_CONFIG)
        stated.pop(name, None)
        (Path(folder) / TOKENIZER_CONFIG).write_bytes(msgspec.json.encode(stated))
        try:
            pair = open_tokenizer(Path(folder)).pair(probe.query, probe.document, probe.max_tokens)
        except PrepareError:
            return False
    return as_rows(pair) == as_rows(ours)


def _table_rows(checkpoint: Path) -> int | None:
    rows = read_json(checkpoint / CONFIG).get("vocab_size")
    return rows if isinstance(rows, int) else None


def refuse_beyond_table(tokenizer: Path, rows: int | None) -> None:
    """Refuse a tokenizer with tokens for which the model has no vector: a text that contains one could not be read."""
    _refuse_last(Tokenizer.from_file(str(tokenizer)).get_vocab(with_added_tokens=True), rows)


def _refuse_last(vocabulary: Mapping[str, int], rows: int | None) -> None:
    last = max(vocabulary, key=lambda token: vocabulary[token], default=None)
    if rows is not None and last is not None and vocabulary[last] >= rows:
        raise PrepareError(
            f"the tokenizer has the token {last!r} with the id {vocabulary[last]}, but the model's word table has only "
            f"{rows} rows (vocab_size in {CONFIG}): use the tokenizer that the model was trained with, or remove the "
            "tokens that it does not know from the tokenizer's files"
        )


def _stated(checkpoint: Path) -> str:
    """Return what the checkpoint's files say of the tokenizer, as text."""
    names = BESIDE
    return "\n".join((checkpoint / name).read_text() for name in names if (checkpoint / name).is_file())
