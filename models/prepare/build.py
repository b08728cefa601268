"""The export and optimise steps: build the graph of one precision and its reference from a checkpoint.

int8 is for the CPU, which runs one unpadded pair at a time, so its graph takes no mask, which is fastest. fp32 and fp16
graphs use the mask and can be run in padded batches. A graph from the repository (`--from-onnx`) is its own reference;
its context window and whether it supports batches are determined by running it.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from tokenizers import Tokenizer

from models.artefact import Artefact, ArtefactError, Manifest
from models.devices import CPU
from models.pair import Logits, Pair
from models.prepare.checkpoint import Checkpoint
from models.prepare.errors import PrepareError, reason
from models.prepare.fp16 import KEPT, halve
from models.prepare.graph import Graph
from models.prepare.int8 import quantise
from models.prepare.pairs import Sample, Text
from models.prepare.progress import Progress
from models.prepare.reading import open_file
from models.prepare.reference import Reference, make, write
from models.prepare.settle_tokenizer import SettledTokenizer
from models.prepare.verify import batch_variance
from models.session import Session
from models.tokenise import Tokeniser

GRAPH = "model.onnx"
EXPORT = "export"
"""Subfolder of the working folder for the fp32 graph from which int8 and fp16 are made."""
LONGEST = 8192
"""Upper limit of the search for a context window, in tokens."""
MOST_BATCH_VARIANCE = 0.005
"""The largest change of a logit by batching, as a share of the logits' standard deviation, with which a repository's
own graph is run in batches."""


class Built:
    """An unsealed artefact with its reference; `next_form` rebuilds it in a more careful form."""

    def __init__(self, folder: Path, manifest: Manifest, reference: Reference) -> None:
        self.artefact = Artefact(folder, manifest)
        self.reference = reference
        self._form = 0

    @property
    def form(self) -> str:
        """A description of the form: the operators that are kept in fp32."""
        kept = KEPT[self._form] if self.artefact.manifest.precision == "fp16" else ()
        return f"{', '.join(sorted(kept))} kept in fp32" if kept else "standard form"

    def next_form(self) -> bool:
        """Build the next form; return False if there is none left. Only fp16 has several forms."""
        self._form += 1
        if self.artefact.manifest.precision != "fp16" or self._form == len(KEPT):
            return False
        _optimise(self.artefact.folder, "fp16", KEPT[self._form])
        return True

    def finish(self) -> Artefact:
        """Write the reference beside the graph and remove everything that is not part of the artefact."""
        write(self.reference, self.artefact.folder)
        shutil.rmtree(self.artefact.folder / EXPORT, ignore_errors=True)
        return self.artefact


def build(
    checkpoint: Checkpoint,
    manifest: Manifest,
    tokenizer: SettledTokenizer,
    texts: Sequence[Text],
    reference_for: Callable[[int], Reference | None],
    progress: Progress,
) -> Built:
    """Build the graph of the manifest's precision in the folder of its settled tokenizer.

    Args:
        checkpoint: the weights, or a ready graph.
        manifest: the manifest as far as it is known; a `max_tokens` of 0 is replaced by a measured one.
        tokenizer: the tokenizer, in the folder to write to.
        texts: the texts from which the parity pairs are made.
        reference_for: finds the reference of the same checkpoint for a context window, if it was computed before.
        progress: the display of progress.

    Raises:
        PrepareError: a step fails.
        OSError: the disk is full.
    """
    folder = tokenizer.file.parent
    if checkpoint.graph is not None:
        return _of_graph(checkpoint, checkpoint.graph, manifest, tokenizer, texts, progress)
    from models.prepare.export import export  # imports torch, which a ready graph does not need
    from models.prepare.tables import check_tables
    from models.prepare.torch_model import REFERENCE, open_model, reference_logits

    model = open_model(checkpoint.folder)
    window = min(manifest.max_tokens, check_tables(model, tokenizer) or manifest.max_tokens)
    manifest = msgspec.structs.replace(manifest, max_tokens=window)
    reference = reference_for(window)
    # another torch, another transformers or the repository's own graph may have computed it
    known = reference is not None and (reference.by, reference.tokenizer) == (REFERENCE, tokenizer.theirs.name)
    pairs = [] if known else tokenizer.samples(window, texts)
    with progress.step("export"):
        batchable = export(model, _fp32(folder, manifest.precision), masked=manifest.precision != "int8")
    _optimise_with(progress, folder, manifest.precision)
    if reference is None or not known:
        with progress.step("reference"):
            logits = reference_logits(model, [sample.pair for sample in pairs], progress)
            _check_logits(logits, f"the model in {checkpoint.folder}")
            reference = make(REFERENCE, checkpoint.files, texts, pairs, logits, tokenizer.record)
    return Built(folder, msgspec.structs.replace(manifest, batchable=batchable), reference)


def _of_graph(
    checkpoint: Checkpoint,
    graph: Path,
    manifest: Manifest,
    tokenizer: SettledTokenizer,
    texts: Sequence[Text],
    progress: Progress,
) -> Built:
    """Use the repository's graph unchanged, or convert it to another precision."""
    folder = tokenizer.file.parent
    path = _fp32(folder, manifest.precision)
    _copy_graph(graph, path)
    fp32 = msgspec.structs.replace(manifest, precision="fp32", batchable=True)
    session = _open_copy(Artefact(path.parent, fp32), graph)
    window = manifest.max_tokens or _window(session, tokenizer.file)
    with progress.step("reference"):
        pairs = tokenizer.samples(window, texts)
        _check_tables(session, tokenizer.file, pairs)
        logits = np.concatenate([_logit(session, sample.pair) for sample in pairs])
    _check_logits(logits, str(graph))
    batchable = session.takes_batches and _is_batchable(session, pairs, logits)
    _optimise_with(progress, folder, manifest.precision)
    by = "the repository's own ONNX graph, CPU, one pair at a time"
    reference = make(by, checkpoint.files, texts, pairs, logits, tokenizer.record)
    return Built(folder, msgspec.structs.replace(manifest, max_tokens=window, batchable=batchable), reference)


def _open_copy(copy: Artefact, graph: Path) -> Session:
    """Open the copy of a graph; an error names the graph itself, because the copy is gone when the user reads it."""
    try:
        return Session(copy, CPU)
    except ArtefactError as error:
        raise PrepareError(str(error).replace(str(copy.graph), str(graph))) from error


def _is_batchable(session: Session, pairs: Sequence[Sample], logits: Logits) -> bool:
    return batch_variance(session, pairs, logits) <= MOST_BATCH_VARIANCE * float(np.std(logits))


def _check_logits(logits: Logits, what: str) -> None:
    """Refuse a model whose scores rank nothing, because all gates would be passed by comparing them with themselves."""
    if not np.isfinite(logits).all():
        raise PrepareError(f"{what} gives {logits[~np.isfinite(logits)][0]} instead of a finite score")
    if np.ptp(logits) == 0:
        raise PrepareError(
            f"{what} gives every pair the same score ({logits[0]:.6g}): its head was never trained, or its weights are "
            "damaged"
        )


def _fp32(folder: Path, precision: str) -> Path:
    """Return the path of the fp32 graph: in the artefact's folder if fp32 is the target, else in a subfolder."""
    parent = folder if precision == "fp32" else folder / EXPORT
    parent.mkdir(exist_ok=True)
    return parent / GRAPH


def _optimise_with(progress: Progress, folder: Path, precision: str) -> None:
    if precision != "fp32":
        with progress.step(f"optimise to {precision}"):
            _optimise(folder, precision, KEPT[0])


def _optimise(folder: Path, precision: str, kept: frozenset[str]) -> None:
    graph = Graph(folder / EXPORT / GRAPH)
    if precision == "int8":
        quantise(graph)
    else:
        halve(graph, kept)
    graph.save(folder / GRAPH)


def _copy_graph(graph: Path, path: Path) -> None:
    """Copy an fp32 graph and its weights files; their names must not lead out of the folder."""
    found = Graph(graph)
    _refuse_other_precision(found)
    shutil.copyfile(graph, path)
    for name in found.weights_files():
        if name != Path(name).name or not os.path.lexists(graph.parent / name):
            raise PrepareError(
                f"the repository's ONNX graph has weights in {name!r}, but there is no such file beside it"
            )
        original = graph.parent / name
        with open_file(original, str(original)) as weights, (path.parent / name).open("wb") as copy:
            shutil.copyfileobj(weights, copy)


def _refuse_other_precision(graph: Graph) -> None:
    kinds = graph.float_kinds()
    if kinds != {"FLOAT"}:
        raise PrepareError(
            f"the repository's ONNX graph is not in fp32 (its weights are {', '.join(sorted(kinds)) or 'no floats'}): "
            "prepare the model from its safetensors, without --from-onnx"
        )


def _window(session: Session, tokenizer: Path) -> int:
    """Find the longest pair that the graph accepts, by bisection: no file states the size of its position table."""
    pair = Tokeniser.open(tokenizer, LONGEST).pairs("warm", ["up"])[0]

    def fits(tokens: int) -> bool:
        return _runs(session, Pair(np.resize(pair.ids, tokens), np.resize(pair.types, tokens)))

    low, high = len(pair), LONGEST + 1
    if not fits(low):
        raise PrepareError(f"the graph fails on a pair of {low} tokens")
    probe = 2 * low
    while probe < high and fits(probe):
        low, probe = probe, 2 * probe
    high = min(high, probe)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _check_tables(session: Session, tokenizer: Path, samples: Sequence[Sample]) -> None:
    """Run the longest pair, the last token and the highest segment id, which the graph's tables must all hold."""
    shortest, longest = (end((sample.pair for sample in samples), key=len) for end in (min, max))
    if not _runs(session, shortest) and _runs(session, Pair(shortest.ids, np.zeros_like(shortest.types))):
        raise PrepareError(
            f"the graph fails on the segment id {shortest.types.max()}, which the tokenizer gives to a document's "
            'tokens: a tokenizer_config.json whose model_input_names has no "token_type_ids" leaves the segment ids out'
        )
    if not _runs(session, longest) and _runs(session, shortest):
        raise PrepareError(
            f"the graph fails on a pair of {len(longest)} tokens, although the model's files allow that length: use a "
            f"smaller --max-tokens, {_window(session, tokenizer)} or less"
        )
    vocabulary = Tokenizer.from_file(str(tokenizer)).get_vocab(with_added_tokens=True)
    last = max(vocabulary, key=lambda token: vocabulary[token])
    ids = shortest.ids.copy()
    ids[len(ids) // 2] = vocabulary[last]
    if not _runs(session, Pair(ids, shortest.types)) and _runs(session, shortest):
        raise PrepareError(
            f"the graph fails on the token {last!r}, which the tokenizer has with the id {vocabulary[last]}: use the "
            "tokenizer that the model was trained with, or remove the tokens that it does not know from its files"
        )


def _runs(session: Session, pair: Pair) -> bool:
    try:
        session.run([pair])
    except ArtefactError:
        raise
    except Exception:  # noqa: BLE001 - whatever ONNX Runtime says, the graph does not take this pair
        return False
    return True


def _logit(session: Session, pair: Pair) -> Logits:
    try:
        return session.run([pair])
    except ArtefactError:
        raise
    except Exception as error:
        raise PrepareError(
            f"the graph fails on a pair of {len(pair)} tokens, although the model's files allow that length: "
            f"use a smaller --max-tokens ({reason(error)})"
        ) from error
