"""The reference that is stored with an artefact: pairs as token ids, and their logits computed by the checkpoint.

It is `parity.json` in the artefact's folder, so `rerank models verify` can repeat the comparison on any machine without
the checkpoint and without torch.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from models.pair import Logits, Pair
from models.prepare.errors import PrepareError
from models.prepare.pairs import Sample, Text
from models.prepare.token_probes import Probe, TokenRecord

FILE = "parity.json"


class ReferencePair(msgspec.Struct, frozen=True):
    """A pair with its length class in tokens and its reference logit."""

    length: int
    ids: list[int]
    types: list[int]
    logit: float


class ReferenceTokens(msgspec.Struct, frozen=True):
    """A pair of texts with the ids that transformers reads; cut to `max_tokens` unless that is None."""

    query: str
    document: str
    max_tokens: int | None
    ids: list[int]
    types: list[int]


class Reference(msgspec.Struct, frozen=True, omit_defaults=True):
    """The logits and the token ids with which the artefact has to agree."""

    by: str
    """The program that computed the logits, with versions."""
    checkpoint: dict[str, str]
    """The sha256 of each of the checkpoint's files, by name."""
    texts_sha256: str
    """The digest of the texts from which the pairs were made."""
    pairs: list[ReferencePair]
    tokenizer: str = ""
    """The tokenizer of transformers that read the pairs, with its version; empty in artefacts of earlier versions."""
    tokens: list[ReferenceTokens] = []
    """Texts of many kinds with the ids that this tokenizer reads."""

    @property
    def samples(self) -> list[Sample]:
        """The pairs in the form that a session reads."""
        return [
            Sample(pair.length, Pair(np.array(pair.ids, np.int64), np.array(pair.types, np.int64)))
            for pair in self.pairs
        ]

    @property
    def logits(self) -> Logits:
        """The reference logits, float32 [pairs]."""
        return np.array([pair.logit for pair in self.pairs], np.float32)

    @property
    def token_record(self) -> TokenRecord:
        """The texts with the ids that transformers read, in the form in which they are compared."""
        probes = [Probe("a recorded text", text.query, text.document, text.max_tokens) for text in self.tokens]
        pairs = [Pair(np.array(text.ids, np.int64), np.array(text.types, np.int64)) for text in self.tokens]
        return TokenRecord(self.tokenizer, probes, pairs)


def make(
    by: str,
    checkpoint: Mapping[str, str],
    texts: Sequence[Text],
    samples: Sequence[Sample],
    logits: Logits,
    tokens: TokenRecord | None = None,
) -> Reference:
    """Assemble a reference from pairs and their logits, and from what transformers' tokenizer reads."""
    pairs = [
        ReferencePair(sample.length, sample.pair.ids.tolist(), sample.pair.types.tolist(), float(logit))
        for sample, logit in zip(samples, logits, strict=True)
    ]
    if tokens is None:
        return Reference(by, dict(checkpoint), digest(texts), pairs)
    read = [
        ReferenceTokens(*probe[1:], pair.ids.tolist(), pair.types.tolist())
        for probe, pair in zip(tokens.probes, tokens.pairs, strict=True)
    ]
    return Reference(by, dict(checkpoint), digest(texts), pairs, tokens.by, read)


def write(reference: Reference, folder: Path) -> None:
    """Write the reference into an artefact's folder."""
    (folder / FILE).write_bytes(msgspec.json.encode(reference))


def read(folder: Path) -> Reference:
    """Read an artefact's reference; raise PrepareError if it has none."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Reference)
    except FileNotFoundError:
        raise PrepareError(
            f"{folder} has no {FILE}, so there is nothing to compare with: it was not made by rerank models prepare"
        ) from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PrepareError(f"{folder / FILE} cannot be read: {error}") from None


def digest(texts: Sequence[Text]) -> str:
    """Return a digest that identifies a set of texts."""
    return hashlib.sha256(msgspec.json.encode(list(texts))).hexdigest()
