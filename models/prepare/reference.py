"""The reference that is sealed with an artefact: the pairs as token ids, and the logits that the checkpoint gave.

It lies in the artefact's folder as `parity.json`, so `rerank models verify` can compare again on any machine, with
neither the checkpoint nor torch.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.pair import Logits, Pair
from models.prepare.errors import PrepareError
from models.prepare.pairs import Sample, Text

FILE = "parity.json"


class ReferencePair(msgspec.Struct, frozen=True):
    """A pair with its class, in tokens, and the reference's logit."""

    length: int
    ids: list[int]
    types: list[int]
    logit: float


class Reference(msgspec.Struct, frozen=True):
    """What the artefact has to agree with."""

    by: str
    """What gave the logits, with versions."""
    checkpoint: dict[str, str]
    """sha256 of each of the checkpoint's files, by name."""
    texts_sha256: str
    """Of the texts that the pairs were made of."""
    pairs: list[ReferencePair]

    @property
    def samples(self) -> list[Sample]:
        """The pairs as the session reads them."""
        return [
            Sample(pair.length, Pair(np.array(pair.ids, np.int64), np.array(pair.types, np.int64)))
            for pair in self.pairs
        ]

    @property
    def logits(self) -> Logits:
        """The reference's logits, [pairs], float32."""
        return np.array([pair.logit for pair in self.pairs], np.float32)


def make(
    by: str, checkpoint: Mapping[str, str], texts: Sequence[Text], samples: Sequence[Sample], logits: Logits
) -> Reference:
    """Put the reference together."""
    pairs = [
        ReferencePair(sample.length, sample.pair.ids.tolist(), sample.pair.types.tolist(), float(logit))
        for sample, logit in zip(samples, logits, strict=True)
    ]
    return Reference(by, dict(checkpoint), digest(texts), pairs)


def write(reference: Reference, folder: Path) -> None:
    """Write the reference into an artefact's folder."""
    (folder / FILE).write_bytes(msgspec.json.encode(reference))


def read(folder: Path) -> Reference:
    """Read an artefact's reference; raise PrepareError where it has none."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Reference)
    except FileNotFoundError:
        raise PrepareError(
            f"{folder} has no {FILE}, so there is nothing to compare with: it was not made by rerank models prepare"
        ) from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PrepareError(f"{folder / FILE} cannot be read: {error}") from None


def digest(texts: Sequence[Text]) -> str:
    """Tell one set of texts from another."""
    return hashlib.sha256(msgspec.json.encode(list(texts))).hexdigest()
