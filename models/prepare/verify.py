"""Verify: an artefact against its reference, pair by pair, alone and in company, on this machine's device.

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
from models.pair import Logits, Pair
from models.prepare import published
from models.prepare.errors import PrepareError, reason
from models.prepare.gates import Agreement, failures, measure
from models.prepare.pairs import Sample
from models.prepare.progress import Progress
from models.prepare.published import Comparison, PublishedScore
from models.prepare.reference import Reference, read
from models.session import Device, Session
from models.tokenise import Tokeniser

COMPANY_LONGEST = 512
"""Longest pairs, in tokens, that are tried in company."""
MIXED = 8
"""Pairs of a batch of mixed lengths."""
SORTED_TOKENS = 4096
"""Padded tokens of a batch sorted by length."""


class Verdict(msgspec.Struct, frozen=True):
    """What verifying found; becomes the manifest's `parity`."""

    reference: str
    device: str
    agreement: Agreement
    published: list[Comparison]
    failures: list[str]


def verify_folder(
    folder: Path, scores: Sequence[PublishedScore] | None, device: Device, progress: Progress
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
    known = published.known(artefact.manifest.source) if scores is None else list(scores)
    return artefact, verify(artefact, read(folder), known, device, progress)


def verify(
    artefact: Artefact, reference: Reference, scores: Sequence[PublishedScore], device: Device, progress: Progress
) -> Verdict:
    """Compare an artefact, sealed or not, with its reference.

    Raises:
        ArtefactError: the graph does not open.
        PrepareError: the graph fails on a pair; the message says of which length.
    """
    session = Session(artefact, device=device)
    samples = reference.samples
    found = _alone(session, samples, progress)
    company = company_difference(session, samples, found) if artefact.manifest.batchable else None
    agreement = measure([sample.length for sample in samples], reference.logits, found, company)
    tokeniser = Tokeniser.open(artefact.tokenizer, artefact.manifest.max_tokens)
    comparisons = published.compare(scores, lambda query, text: session.run(tokeniser.pairs(query, [text]))[0])
    precision = artefact.manifest.precision
    return Verdict(
        reference=reference.by,
        device=session.device,
        agreement=agreement,
        published=comparisons,
        failures=failures(agreement, precision) + published.failures(comparisons, precision),
    )


def _alone(session: Session, samples: Sequence[Sample], progress: Progress) -> Logits:
    def run(sample: Sample) -> float:
        return float(_run(session, [sample.pair])[0])

    # the longest first, so that no lane waits at the end for one that began late
    order = sorted(range(len(samples)), key=lambda place: -len(samples[place].pair))
    logits = np.empty(len(samples), np.float32)
    with ThreadPoolExecutor(session.inference_threads) as threads:
        answers = threads.map(run, [samples[place] for place in order])
        sizes = [len(samples[place].pair) for place in order]
        logits[order] = list(progress.over("artefact", answers, sizes))
    return logits


def company_difference(session: Session, samples: Sequence[Sample], alone: Logits) -> float:
    """Run pairs in batches sorted by length, and in batches of mixed lengths; return the worst change of a logit."""
    places = [place for place, sample in enumerate(samples) if sample.length <= COMPANY_LONGEST]
    every = len(places) // (2 * MIXED) or 1
    places = [places[start] for start in range(0, len(places), every)]
    pairs = [samples[place].pair for place in places]
    expected = alone[places]
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
