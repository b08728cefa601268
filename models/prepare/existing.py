"""Whether an existing artefact is what an order asks for: the same weights, and prepared with the same options.

An option that was not given then and is not given now is the same, even if this version's default differs: the
built-in pairs, for example. Artefacts of versions that recorded less are compared as far as possible, and the rest is
said.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import UNSET

from models.artefact import LOCAL, MANIFEST, Artefact, Preparation, Source
from models.loaded_model import context_window
from models.prepare import reference
from models.prepare.checkpoint import Checkpoint, stamp
from models.prepare.errors import PrepareError
from models.prepare.fetch import cached_commit, find_commit
from models.prepare.identity import SHOWN, Difference, Sealed, compare_files, compare_place, describe, listing
from models.prepare.origin import Origin
from models.prepare.pairs import Text
from models.prepare.progress import Progress
from models.prepare.published import Comparison, PublishedScore

COMMIT = re.compile(r"[0-9a-f]{40}")
Finding = Difference | str
"""A difference, or the name of something that the artefact does not record."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose files have been read: what a model is prepared from, and with which options."""

    origin: Origin
    from_onnx: bool
    max_tokens: int | None
    texts: Sequence[Text]
    own_texts: Path | None
    """The file of the texts; None for the built-in ones."""
    scores: Sequence[PublishedScore]
    own_scores: Path | None
    """The file of the published scores; None for the built-in ones of the model."""

    def record(self, checkpoint: Checkpoint, model_max_tokens: int) -> Preparation:
        """Return what the manifest keeps of this."""
        return Preparation(
            model=self.origin.model,
            revision=self.origin.source.revision,
            from_onnx=self.from_onnx,
            model_max_tokens=model_max_tokens,
            own_pairs=self.own_texts is not None,
            own_published=self.own_scores is not None,
            files=checkpoint.stamps,
        )


def require_same(artefact: Artefact, inputs: Inputs, progress: Progress) -> None:
    """Check that an artefact is what the inputs would give; say what could not be compared.

    Raises:
        PrepareError: it is not; the message names every difference and what replaces it.
    """
    sealed = Sealed.read(artefact.folder)
    findings = [*_origin(sealed, inputs, progress), *_window(sealed, inputs), *_texts(sealed, inputs)]
    findings += _scores(sealed, inputs)
    differences = [finding for finding in findings if isinstance(finding, Difference)]
    if differences:
        raise PrepareError(describe(artefact.folder, differences, "--force"))
    unrecorded = [finding for finding in findings if isinstance(finding, str)]
    if unrecorded:
        progress.note(f"it was prepared by an older version and does not record {', '.join(unrecorded)}: not compared")


def require_same_siblings(
    target: Path, checkpoint: Checkpoint, origin: Origin, *, force: bool, progress: Progress
) -> None:
    """Check that a model's other precisions are of the same checkpoint, as `serve` chooses among them by precision.

    Raises:
        PrepareError: one is of another checkpoint, and `force` is not given; with `force` this is only said.
    """
    for folder in sorted(path.parent for path in target.parent.glob(f"*/{MANIFEST}") if path.parent != target):
        sealed = Sealed.read(folder)
        differences = list(_of_checkpoint(sealed, checkpoint, origin))
        if not differences:
            continue
        listed = listing(differences)
        if not force:
            raise PrepareError(
                f"{folder} was {listed}, and one name stands for one checkpoint: --force prepares "
                f"{target.name} nevertheless, and another --models-dir keeps both"
            )
        progress.note(f"{folder} was {listed}: prepare {folder.name} again, too, or remove it")


def require_unchanged(checkpoint: Checkpoint) -> None:
    """Check that no file of a local checkpoint was changed while it was used; raise PrepareError."""
    for name, then in checkpoint.stamps.items():
        path = checkpoint.folder / name
        if not path.is_file() or stamp(path) != then:
            raise PrepareError(
                f"{path} changed while the model was being prepared: prepare it again when nothing else writes to it"
            )


def _origin(sealed: Sealed, inputs: Inputs, progress: Progress) -> Iterator[Finding]:
    differences = list(compare_place(sealed, inputs.origin))
    if sealed.from_onnx != inputs.from_onnx:
        forms = ("its weights (without --from-onnx)", "the repository's ONNX graph (--from-onnx)")
        differences.append(Difference(f"prepared from {forms[sealed.from_onnx]}", f"from {forms[inputs.from_onnx]}"))
    yield from differences
    if not differences:
        yield from compare_files(sealed, inputs.origin)
        yield from _commit(sealed, inputs.origin.source, progress)


def _commit(sealed: Sealed, source: Source, progress: Progress) -> Iterator[Finding]:
    """Compare commits; a branch or tag is looked up on the hub, and without it what is recorded decides."""
    there, record = sealed.manifest.source.revision, sealed.manifest.preparation
    now: str | None = source.revision
    if source.revision not in {there, LOCAL} and not COMMIT.fullmatch(source.revision):
        try:
            now = find_commit(source)
        except PrepareError:
            if record is not UNSET and record.revision == source.revision:
                progress.note(
                    f"the commit of {source.revision} could not be looked up on the hub, so what is recorded decides: "
                    f"it was {there} when {sealed.folder} was prepared"
                )
                return
            now = cached_commit(source)
            if now is None and record is not UNSET:
                raise
    if now is None:
        yield f"whether commit {there[:SHOWN]} is that of {source.revision}"
    elif now != there:
        name = "" if now == source.revision else f" ({source.revision})"
        yield Difference(f"prepared from commit {there[:SHOWN]}", f"from {now[:SHOWN]}{name}")


def _window(sealed: Sealed, inputs: Inputs) -> Iterator[Finding]:
    """Compare the context window with --max-tokens, or with the model's own; raise OptionError if it is too long."""
    there, record = sealed.manifest.max_tokens, sealed.manifest.preparation
    if record is UNSET and (inputs.max_tokens is None or inputs.max_tokens > there):
        yield "whether the context window is the model's own"
        return
    own = None if record is UNSET else record.model_max_tokens or None
    asked = inputs.max_tokens if own is None else context_window(inputs.origin.model, own, inputs.max_tokens)
    if asked != there:
        wanted = "with the model's own" if asked is None else f"with one of {asked}"
        yield Difference(f"prepared with a context window of {there} tokens", wanted)


def _texts(sealed: Sealed, inputs: Inputs) -> Iterator[Finding]:
    record, own = sealed.manifest.preparation, inputs.own_texts
    if record is not UNSET and not record.own_pairs and own is None:
        return
    digest = reference.digest(inputs.texts)
    there = None if sealed.reference is None else sealed.reference.texts_sha256
    if digest == there:
        return
    if there is None or (record is UNSET and own is None):
        yield "whether pairs of the user's own were given"
        return
    built_in = record is not UNSET and not record.own_pairs
    yield Difference(
        "verified with the built-in pairs" if built_in else f"verified with pairs of digest {there[:SHOWN]}…",
        "with the built-in ones" if own is None else f"with those of {own} (digest {digest[:SHOWN]}…)",
    )


def _scores(sealed: Sealed, inputs: Inputs) -> Iterator[Finding]:
    record, own = sealed.manifest.preparation, inputs.own_scores
    if record is not UNSET and not record.own_published and own is None:
        return
    there = msgspec.convert(sealed.manifest.parity.get("published", []), list[Comparison])
    if [(one.query, one.document, one.published) for one in there] == [
        (one.query, one.document, one.logit) for one in inputs.scores
    ]:
        return
    if record is UNSET and own is None:
        yield "whether published scores of the user's own were given"
        return
    yield Difference(
        "checked with other published scores" if there else "checked without published scores",
        f"with those of {own}" if own is not None else "with the built-in ones" if inputs.scores else "without any",
    )


def _of_checkpoint(sealed: Sealed, checkpoint: Checkpoint, origin: Origin) -> Iterator[Difference]:
    """Compare an artefact's source with a fetched checkpoint; files of which only one has read are not compared."""
    differences = list(compare_place(sealed, origin))
    yield from differences
    there, now = sealed.manifest.source.revision, checkpoint.source.revision
    if differences or (sealed.reference is None and there == now):
        return
    if there != now:
        yield Difference(f"prepared from commit {there[:SHOWN]}", f"from {now[:SHOWN]}")
    elif sealed.reference is not None and origin.folder is not None:
        for name, digest in sealed.reference.checkpoint.items():
            if checkpoint.files.get(name, digest) != digest:
                yield Difference(
                    f"prepared from {name} with sha256 {digest[:SHOWN]}…",
                    f"the present {checkpoint.files[name][:SHOWN]}…",
                )
