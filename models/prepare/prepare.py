"""Run the steps of preparing a model in order: fetch → export → optimise → verify → seal.

All files are written to a hidden folder beside the target, which is renamed after the manifest is written, so an
artefact folder is always complete. A lock makes a second process wait for the first and use its artefact; the leftovers
of a killed process are removed by the next one.
"""

import errno
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TextIO

import msgspec
from msgspec import UNSET

from models.artefact import MANIFEST, Artefact, ArtefactError, Manifest, Precision, load, seal
from models.devices import DeviceChoice
from models.loaded_model import context_window
from models.prepare import published, reference
from models.prepare.build import Built, build
from models.prepare.checkpoint import Checkpoint
from models.prepare.checkpoint_files import TOKENIZER
from models.prepare.errors import PrepareError
from models.prepare.existing import Inputs, require_same, require_same_siblings, require_unchanged
from models.prepare.fetch import fetch
from models.prepare.model_config import read_model_config, read_tokenizer
from models.prepare.origin import origin_of
from models.prepare.pairs import TEXTS, read_texts
from models.prepare.progress import Progress
from models.prepare.published import PublishedScore
from models.prepare.settle_tokenizer import settle_tokenizer
from models.prepare.verify import Verdict, verify
from models.store import folder_name
from models.tokenise import Tokeniser

TOOLS = ("huggingface_hub", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "tokenizers", "torch", "transformers")

TRIES = 100
"""Attempts to make a lock file in a folder that other processes remove at the same moment."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """The model to prepare, and the options."""

    model: str
    """A name of the catalogue, a hub id or the folder of a checkpoint."""
    precision: Precision
    revision: str | None = None
    """A commit, tag or branch of the hub; None for the catalogue's commit."""
    from_onnx: bool = False
    """Whether to use the repository's own ONNX graph, which in fp32 is then also the reference."""
    max_tokens: int | None = None
    """A context window not longer than the model's, or that of a model whose files do not state one."""
    texts: Path = TEXTS
    """A JSON lines file with the queries and passages of the parity pairs."""
    published: Path | None = None
    """A file of published scores to check as well; None for the built-in ones of the model."""
    device: DeviceChoice = "auto"
    """The device on which the artefact is verified. It does not tell artefacts apart: `verify` repeats the comparison
    on any device."""
    force: bool = False
    """Whether to replace an existing artefact."""


def prepare(order: Order, models_dir: Path, progress: Progress) -> Artefact:
    """Make an artefact at `models_dir/<name>/<precision>`, or return the existing one if it is what the order asks for.

    Raises:
        PrepareError: a step or a gate fails, or the existing artefact is of another order; no new artefact is left.
        ArtefactError: the graph does not open in ONNX Runtime.
    """
    inputs = _read(order)
    target = models_dir / folder_name(order.model) / order.precision
    with _only_process(target, progress):
        if (target / MANIFEST).is_file() and not order.force:
            artefact = _load_existing(target)
            require_same(artefact, inputs, progress)
            progress.note(f"{target} exists already; --force prepares it again")
            if not artefact.manifest.parity.get("tokenizer"):
                progress.note(
                    "an earlier version made it, which did not compare its token ids with transformers'; --force does"
                )
            return artefact
        with progress.step(f"fetch {order.model}"):
            checkpoint = fetch(order.model, revision=order.revision, from_onnx=order.from_onnx)
        require_same_siblings(target, checkpoint, inputs.origin, force=order.force, progress=progress)
        with _workplace(target) as folder:
            manifest = _manifest(order, inputs, checkpoint)
            read_tokenizer(checkpoint.folder / TOKENIZER)  # a damaged one is told by its own path
            with progress.step("compare the tokenizer with transformers'"):
                tokenizer = settle_tokenizer(
                    checkpoint.source.hub_id, checkpoint.folder, folder, inputs.texts, progress
                )
            if manifest.max_tokens:  # reject a window that is too small for a pair before the export
                Tokeniser.open(tokenizer.file, manifest.max_tokens)
            sibling = partial(_sibling_reference, target, checkpoint, reference.digest(inputs.texts))
            built = build(checkpoint, manifest, tokenizer, inputs.texts, sibling, progress)
            verdict = _judge(built, inputs.scores, order, progress)
            require_unchanged(checkpoint)
            _seal(built.finish(), verdict, order)
            _move(folder, target)
    progress.note(f"saved {target}")
    return load(target)


def _read(order: Order) -> Inputs:
    """Read the files of an order, and find out where the model comes from; raise PrepareError."""
    texts = read_texts(order.texts)
    own_scores = None if order.published is None else published.read(order.published)
    origin = origin_of(order.model, order.revision)
    return Inputs(
        origin=origin,
        from_onnx=order.from_onnx,
        max_tokens=order.max_tokens,
        texts=texts,
        own_texts=None if order.texts == TEXTS else order.texts,
        scores=published.scores_of(origin.source) if own_scores is None else own_scores,
        own_scores=order.published,
    )


def _load_existing(target: Path) -> Artefact:
    try:
        return load(target)
    except ArtefactError as error:
        raise PrepareError(f"{error} (--force replaces it)") from None


def _seal(artefact: Artefact, verdict: Verdict, order: Order) -> None:
    """Seal a verified artefact; the window of a model whose files state none is the measured one."""
    manifest = artefact.manifest
    record = manifest.preparation
    if record is not UNSET and record.model_max_tokens == 0 and order.max_tokens is None:
        record = msgspec.structs.replace(record, model_max_tokens=manifest.max_tokens)
    parity = msgspec.to_builtins(verdict)
    seal(artefact.folder, msgspec.structs.replace(manifest, parity=parity, preparation=record))


def _manifest(order: Order, inputs: Inputs, checkpoint: Checkpoint) -> Manifest:
    config = read_model_config(checkpoint)
    own = config.max_tokens
    window = context_window(order.model, own, order.max_tokens) if own else order.max_tokens or 0
    if window == 0 and not order.from_onnx:
        raise PrepareError(f"no file of {order.model} states its context window: give it in tokens as --max-tokens")
    return Manifest(
        name=folder_name(order.model),
        architecture=config.architecture,
        precision=order.precision,
        max_tokens=window,
        source=checkpoint.source,
        batchable=True,
        pad_token_id=config.pad_token_id,
        tools=dict(_tools()),
        preparation=inputs.record(checkpoint, config.max_tokens or 0),
    )


def _judge(built: Built, scores: Sequence[PublishedScore], order: Order, progress: Progress) -> Verdict:
    """Verify the built artefact; if a gate fails, try its next, more careful form as long as there is one."""
    while True:
        with progress.step(f"verify {order.precision} ({built.form})"):
            verdict = verify(built.artefact, built.reference, scores, order.device, progress)
        if not verdict.failures:
            return verdict
        progress.note("; ".join(verdict.failures))
        if not built.next_form():
            hint = "" if order.precision == "fp32" else "; --precision fp32 is the closest to it"
            raise PrepareError(
                f"{order.model} in {order.precision} was not saved because it is too far from its reference: "
                f"{'; '.join(verdict.failures)}{hint}"
            )


def _sibling_reference(
    target: Path, checkpoint: Checkpoint, texts_sha256: str, max_tokens: int
) -> reference.Reference | None:
    """Find the reference for the same files, window and texts in another precision's artefact, to save minutes."""
    inputs = (checkpoint.files, max_tokens, texts_sha256)
    for path in sorted(target.parent.glob(f"*/{MANIFEST}")):
        try:
            sealed = load(path.parent).manifest
            sibling = reference.read(path.parent)
        except ArtefactError:
            continue
        if (sibling.checkpoint, sealed.max_tokens, sibling.texts_sha256) == inputs:
            return sibling
    return None


def _tools() -> Iterator[tuple[str, str]]:
    for name in TOOLS:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue


@contextmanager
def _only_process(target: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of a target; a second process waits for it. If nothing was made, no lock or empty folder stays."""
    folders, path = _new_folders(target.parent), target.parent / f".{target.name}.lock"
    lock = None
    try:
        lock = _locked(path, target, progress)
        yield
    finally:
        if lock is not None:
            if not target.exists():
                path.unlink(missing_ok=True)
            lock.close()
        for folder in folders:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _new_folders(folder: Path) -> list[Path]:
    """List a folder and those of its parents that do not exist yet, from the innermost."""
    missing = itertools.takewhile(lambda parent: not os.path.lexists(parent), folder.parents)
    return [folder, *missing] if not os.path.lexists(folder) else [folder]


def _locked(path: Path, target: Path, progress: Progress) -> TextIO:
    """Lock a file and return it open; a lock file that its last owner has removed is made again."""
    tries = 0
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("w")
        except OSError as error:
            tries += 1
            if isinstance(error, FileNotFoundError) and tries < TRIES:  # its last owner has just removed the folder
                continue
            raise _unwritable(target, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note(f"another process is preparing {target}: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()


@contextmanager
def _workplace(target: Path) -> Iterator[Path]:
    """Make a working folder beside the target and remove it in the end, along with those of killed processes."""
    for left in target.parent.glob(f".{target.name}.*.making"):
        shutil.rmtree(left, ignore_errors=True)
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".making", dir=target.parent))
        folder.chmod(0o755)
        yield folder
    except OSError as error:
        raise _unwritable(target, error) from error
    except ArtefactError as error:
        if folder is None or str(folder) not in str(error):
            raise
        # the folder is gone when the user reads this: a file is named as it would be in the artefact
        raise PrepareError(str(error).replace(str(folder), str(target))) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _unwritable(target: Path, error: OSError) -> PrepareError:
    """Return the message for a failure of the disk: the file that cannot be read, or the folder that cannot be written.

    The file of a full disk is not named, because it is in the working folder, which is gone.
    """
    name = error.filename
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # copying names the file that it reads
    if isinstance(name, str) and not full and not Path(name).is_relative_to(target.parent) and Path(name).is_file():
        return PrepareError(f"{name} cannot be read: {error.strerror}")
    if error.errno in {errno.EEXIST, errno.ENOTDIR}:
        blocks = next(path for path in (target.parent, *target.parent.parents) if os.path.lexists(path))
        return PrepareError(f"the model cannot be written to {target.parent}: {blocks} is not a folder")
    return PrepareError(f"the model cannot be written to {target.parent}: {error.strerror or error}")


def _move(folder: Path, target: Path) -> None:
    """Move a sealed folder to its target, replacing an existing one."""
    old = target.with_name(f".{target.name}.{os.getpid()}.making")
    if target.exists():
        target.rename(old)
    folder.rename(target)
    shutil.rmtree(old, ignore_errors=True)
