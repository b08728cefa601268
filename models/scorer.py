"""The in-process reranker: tokeniser, batch plan and session in one object.

What the service does over HTTP, without HTTP: the same pairs, the same plan and the same session, so the same scores.

    scorer = Scorer.open(catalogue.EMBEDDED)
    scorer.scores("what is a panda?", ["A bear of China.", "A kind of bread."])
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.artefact import Artefact, load
from models.batching import plan_batches
from models.chunks import TRUNCATION, ChunkOptions, best_chunks
from models.pair import Logits, Pair
from models.session import Device, Session
from models.tokenise import Tokeniser


class Scorer:
    """A model ready to score; `close` (or a with block) ends its threads."""

    def __init__(self, artefact: Artefact, tokeniser: Tokeniser, session: Session) -> None:
        self.artefact = artefact
        self.tokeniser = tokeniser
        self.session = session
        self._threads = ThreadPoolExecutor(session.inference_threads, thread_name_prefix="lane")

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        device: Device = "auto",
        threads: int = 0,
        max_tokens: int | None = None,
        max_batch_tokens: int | None = None,
        token_cache_bytes: int = 0,
        gpu_memory_bytes: int = 0,
    ) -> "Scorer":
        """Load and check an artefact folder; the first run is slower unless `warm_up` went before.

        Args:
            folder: an artefact (see `models.artefact`).
            device: `auto` takes CUDA where it works, else the CPU.
            threads: runs at a time on the CPU; 0 for as many as there are usable CPUs.
            max_tokens: a shorter window than the model's own, in tokens.
            max_batch_tokens: padded tokens of a batch; None for the device's own way (see `models.session`).
            token_cache_bytes: for the token ids of documents that were read last.
            gpu_memory_bytes: what ONNX Runtime may take of a GPU's memory; 0 for all.

        Raises:
            ArtefactError: the folder is damaged, or holds no one-label cross-encoder.
        """
        artefact = load(folder)
        window = min(max_tokens or artefact.manifest.max_tokens, artefact.manifest.max_tokens)
        tokeniser = Tokeniser.open(artefact.tokenizer, window, cache_bytes=token_cache_bytes)
        session = Session(
            artefact,
            device=device,
            threads=threads,
            max_batch_tokens=max_batch_tokens,
            gpu_memory_bytes=gpu_memory_bytes,
        )
        return cls(artefact, tokeniser, session)

    def warm_up(self) -> None:
        """Run a first short pair; raise ArtefactError if the model does not answer it with a finite logit."""
        self.session.warm_up(self.tokeniser.pairs("warm", ["up"])[0])

    def logits(self, query: str, documents: Sequence[str], windows: ChunkOptions = TRUNCATION) -> Logits:
        """Score documents for a query: logits of shape [len(documents)], float32, in the documents' order.

        A document that is longer than its room is cut off, or read in several windows if `windows` says so: then its
        logit is that of its best window.
        """
        pairs, counts = self.tokeniser.chunked_pairs(query, documents, windows)
        return best_chunks(self.run(pairs), counts)

    def scores(self, query: str, documents: Sequence[str], windows: ChunkOptions = TRUNCATION) -> Logits:
        """Score documents for a query: the sigmoid of the logits, in [0, 1]."""
        return sigmoid(self.logits(query, documents, windows))

    def run(self, pairs: Sequence[Pair]) -> Logits:
        """Score pairs: logits of shape [len(pairs)], float32, in the pairs' order."""
        batches = plan_batches(
            [len(pair) for pair in pairs], self.session.max_batch_tokens, self.session.run_cost_tokens
        )
        logits = np.empty(len(pairs), np.float32)
        run = self.session.run_single if len(batches) == 1 else self.session.run
        runs = self._threads.map(run, [[pairs[index] for index in batch] for batch in batches])
        for batch, answer in zip(batches, runs, strict=True):
            logits[batch] = answer
        return logits

    def close(self) -> None:
        """Wait for what runs and end the threads."""
        self._threads.shutdown()

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sigmoid(logits: npt.ArrayLike) -> Logits:
    """Logits to relevance in [0, 1], in float32, without overflow for any finite logit."""
    x = np.asarray(logits, dtype=np.float32)
    # 1/(1+e^-x) for x >= 0 and e^x/(1+e^x) below: the exponent is never positive
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay)).astype(np.float32)
