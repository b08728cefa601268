"""Verify: an artefact against its reference, pair by pair, in single runs and in batches, on this machine's device.

Needs neither torch nor the checkpoint: the reference lies in the artefact. `Verdict.failures` is empty when every gate
of the artefact's precision is passed.
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
from models.session import Session, available_providers
from models.tokenise import Tokeniser

LONGEST_BATCHED = 512
"""Longest pairs, in tokens, that are tried in batches."""
MIXED = 8
"""Pairs of a batch of mixed lengths."""
SORTED_TOKENS = 4096
"""Padded tokens of a batch sorted by length."""


class Verdict(msgspec.Struct, frozen=True):
    """The result of verifying; becomes the manifest's `parity`."""

    reference: str
    device: str
    agreement: Agreement
    published: list[Comparison]
    failures: list[str]


def verify_folder(
    folder: Path, scores: Sequence[PublishedScore] | None, device: DeviceChoice, progress: Progress
) -> tuple[Artefact, Verdict]:
    """Verify a sealed artefact: hashes, then agreement.

    Args:
        folder: the artefact.
        scores: published scores to check besides; None for those known of the model.
        device: where to run it.
        progress: what to show it on.

    Raises:
        ArtefactError: a file is missing or changed, or there is no reference in the folder.
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
        ArtefactError: the graph does not open, or the device is not there.
        PrepareError: the graph fails on a pair; the message says of which length.
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
        failures=failures(agreement, precision) + published.failures(comparisons, precision),
    )


def _single_runs(session: Session, samples: Sequence[Sample], progress: Progress) -> Logits:
    def run(sample: Sample) -> float:
        return float(_run(session, [sample.pair])[0])

    # the longest first, so that no thread waits at the end for one that began late
    order = sorted(range(len(samples)), key=lambda index: -len(samples[index].pair))
    logits = np.empty(len(samples), np.float32)
    with ThreadPoolExecutor(session.inference_threads) as threads:
        answers = threads.map(run, [samples[index] for index in order])
        sizes = [len(samples[index].pair) for index in order]
        logits[order] = list(progress.over("artefact", answers, sizes))
    return logits


def batch_variance(session: Session, samples: Sequence[Sample], single: Logits) -> float:
    """Run pairs in batches sorted by length and in batches of mixed lengths; return the worst change of a logit.

    Args:
        session: the artefact's.
        samples: the pairs; only some of up to `LONGEST_BATCHED` tokens are run.
        single: their logits in runs of their own, [samples].
    """
    indexes = [index for index, sample in enumerate(samples) if sample.length <= LONGEST_BATCHED]
    every = len(indexes) // (2 * MIXED) or 1
    indexes = indexes[::every]
    pairs = [samples[index].pair for index in indexes]
    expected = single[indexes]
    by_length = plan_batches([len(pair) for pair in pairs], SORTED_TOKENS)
    # neighbours in the list are of one class, so every nth makes a mixed batch
    strides = max(1, len(pairs) // MIXED)
    mixed = [list(range(start, len(pairs), strides)) for start in range(strides)]
    changes = [
        np.abs(_run(session, [pairs[index] for index in batch]) - expected[batch]).max()
        for batch in [*by_length, *mixed]
    ]
    return float(np.max(changes))  # NaN if one is: Python's max would pass over it


def _run(session: Session, pairs: list[Pair]) -> Logits:
    try:
        return session.run(pairs)
    except ArtefactError:
        raise
    except Exception as error:
        longest = max(len(pair) for pair in pairs)
        raise PrepareError(
            f"the graph fails on {len(pairs)} pairs of up to {longest} tokens: {reason(error)}"
        ) from error
