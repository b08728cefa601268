"""The verify step: compare an artefact with its reference, in single runs and in batches, on a device of this machine.

It needs neither torch nor the checkpoint, since the reference is part of the artefact. `Verdict.failures` is empty if
every gate of the artefact's precision is passed.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np

from models.artefact import Artefact, ArtefactError, load
from models.batching import plan_batches
from models.devices import DeviceChoice, choose_device
from models.pair import Logits, Pair
from models.prepare import published
from models.prepare.errors import PrepareError, reason
from models.prepare.gates import Agreement, failures, measure
from models.prepare.pairs import Sample
from models.prepare.progress import Progress
from models.prepare.published import Comparison, PublishedScore
from models.prepare.reference import Reference, read
from models.prepare.token_agreement import first_difference
from models.session import Session, available_providers
from models.tokenise import Tokeniser
from models.wording import counted

LONGEST_BATCHED = 512
"""The longest length class, in tokens, that is run in batches."""
MIXED = 8
"""The number of pairs in a batch of mixed lengths."""
SORTED_TOKENS = 4096
"""The padded tokens of a batch of similar lengths."""


class Verdict(msgspec.Struct, frozen=True):
    """The result of a verification, which becomes the manifest's `parity`."""

    reference: str
    device: str
    agreement: Agreement
    published: list[Comparison]
    failures: list[str]
    tokenizer: str = ""
    """The tokenizer of transformers whose ids the artefact's tokenizer was compared with; empty if none is recorded."""
    texts: int = 0
    """The pairs of texts on which the two were compared."""


def verify_folder(
    folder: Path, scores: Sequence[PublishedScore] | None, device: DeviceChoice, progress: Progress
) -> tuple[Artefact, Verdict]:
    """Verify a sealed artefact: first its hashes, then its agreement with the reference.

    Args:
        folder: the artefact folder.
        scores: published scores to check as well; None for the built-in ones of the model.
        device: the device to run on.
        progress: the display of progress.

    Raises:
        ArtefactError: a file is missing or changed, or the folder has no reference.
    """
    artefact = load(folder)
    if scores is None:
        scores = published.scores_of(artefact.manifest.source)
    return artefact, verify(artefact, read(folder), scores, device, progress)


def verify(
    artefact: Artefact, reference: Reference, scores: Sequence[PublishedScore], device: DeviceChoice, progress: Progress
) -> Verdict:
    """Compare an artefact, sealed or not, with its reference.

    Raises:
        ArtefactError: the graph cannot be opened, or the device is not available.
        PrepareError: the graph fails on a pair; the message gives its length.
    """
    precision = artefact.manifest.precision
    session = Session(artefact, choose_device(device, precision, available_providers()))
    samples = reference.samples
    logits = _single_runs(session, samples, progress)
    variance = batch_variance(session, samples, logits) if artefact.manifest.batchable else None
    agreement = measure([sample.length for sample in samples], reference.logits, logits, variance)
    tokeniser = Tokeniser.open(artefact.tokenizer, artefact.manifest.max_tokens)
    comparisons = published.compare(scores, lambda query, text: session.run(tokeniser.pairs(query, [text]))[0])
    return Verdict(
        reference=reference.by,
        device=session.device.name,
        agreement=agreement,
        published=comparisons,
        failures=failures(agreement, precision)
        + published.failures(comparisons, precision)
        + _token_failures(artefact, reference),
        tokenizer=reference.tokenizer,
        texts=len(reference.tokens),
    )


def _token_failures(artefact: Artefact, reference: Reference) -> list[str]:
    """Return a message if the artefact's tokenizer does not read the recorded texts as transformers did."""
    difference = first_difference(artefact.tokenizer, reference.token_record) if reference.tokens else None
    return [f"the tokenizer does not read texts as {reference.tokenizer} did: {difference}"] if difference else []


def _single_runs(session: Session, samples: Sequence[Sample], progress: Progress) -> Logits:
    def run(sample: Sample) -> float:
        return float(_run(session, [sample.pair])[0])

    # the longest first, so that at the end no thread waits for a long pair that was started late
    order = sorted(range(len(samples)), key=lambda index: -len(samples[index].pair))
    logits = np.empty(len(samples), np.float32)
    with ThreadPoolExecutor(session.inference_threads) as threads:
        answers = threads.map(run, [samples[index] for index in order])
        sizes = [len(samples[index].pair) for index in order]
        logits[order] = list(progress.over("artefact", answers, sizes))
    return logits


def batch_variance(session: Session, samples: Sequence[Sample], single: Logits) -> float:
    """Run pairs in batches of similar and of mixed lengths; return the largest change of a logit.

    Args:
        session: the artefact's session.
        samples: the pairs; only some of those of up to `LONGEST_BATCHED` tokens are run.
        single: the logits of the pairs in single runs, [samples].
    """
    indexes = [index for index, sample in enumerate(samples) if sample.length <= LONGEST_BATCHED]
    every = len(indexes) // (2 * MIXED) or 1
    indexes = indexes[::every]
    pairs = [samples[index].pair for index in indexes]
    expected = single[indexes]
    by_length = plan_batches([len(pair) for pair in pairs], SORTED_TOKENS)
    # neighbours in the list have the same length class, so taking every nth pair gives a mixed batch
    strides = max(1, len(pairs) // MIXED)
    mixed = [list(range(start, len(pairs), strides)) for start in range(strides)]
    changes = [
        np.abs(_run(session, [pairs[index] for index in batch]) - expected[batch]).max()
        for batch in [*by_length, *mixed]
    ]
    return float(np.max(changes))  # NaN if any change is NaN, which Python's max would ignore


def _run(session: Session, pairs: list[Pair]) -> Logits:
    try:
        return session.run(pairs)
    except ArtefactError:
        raise
    except Exception as error:
        longest = max(len(pair) for pair in pairs)
        raise PrepareError(
            f"the graph fails on {counted(len(pairs), 'pair')} of up to {counted(longest, 'token')}: {reason(error)}"
        ) from error
