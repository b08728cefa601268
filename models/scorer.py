"""The in-process reranker: a loaded model with its own threads.

It uses the same pairs, batches and session as the service and therefore gives the same scores, without HTTP.

    scorer = Scorer.open(catalogue.EMBEDDED)
    scorer.scores("what is a panda?", ["A bear of China.", "A kind of bread."])
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.batching import plan_batches
from models.chunks import TRUNCATION, ChunkOptions, best_chunks
from models.devices import DeviceChoice
from models.loaded_model import LoadedModel
from models.pair import Logits, Pair


class Scorer:
    """A model that is ready to score; `close` it, or use it in a with block, to end its threads."""

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.tokeniser = model.tokeniser
        self.session = model.session
        self._threads = ThreadPoolExecutor(model.session.inference_threads, thread_name_prefix="inference")

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        device: DeviceChoice = "auto",
        threads: int = 0,
        max_tokens: int | None = None,
        max_batch_tokens: int | None = None,
    ) -> "Scorer":
        """Load and check an artefact folder; arguments and errors are those of `LoadedModel.open`."""
        return cls(
            LoadedModel.open(
                folder, device=device, threads=threads, max_tokens=max_tokens, max_batch_tokens=max_batch_tokens
            )
        )

    def logits(self, query: str, documents: Sequence[str], chunk_options: ChunkOptions = TRUNCATION) -> Logits:
        """Score documents for a query; return logits, float32 [len(documents)], in the order of the documents.

        A document that does not fit into the context window is truncated, or read in several chunks if `chunk_options`
        allows it; its logit is then that of its best chunk.
        """
        pairs, counts = self.tokeniser.chunked_pairs(query, documents, chunk_options)
        return best_chunks(self.run(pairs), counts)

    def scores(self, query: str, documents: Sequence[str], chunk_options: ChunkOptions = TRUNCATION) -> Logits:
        """Score documents for a query; return the sigmoid of their logits, in [0, 1]."""
        return sigmoid(self.logits(query, documents, chunk_options))

    def run(self, pairs: Sequence[Pair]) -> Logits:
        """Score pairs; return logits, float32 [len(pairs)], in the order of the pairs."""
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
        """Wait for running work and end the threads."""
        self._threads.shutdown()

    def __enter__(self) -> "Scorer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sigmoid(logits: npt.ArrayLike) -> Logits:
    """Convert logits to relevance scores in [0, 1], float32, without overflow for any finite logit."""
    x = np.asarray(logits, dtype=np.float32)
    # 1/(1+e^-x) for x >= 0 and e^x/(1+e^x) below: the exponent is never positive
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay)).astype(np.float32)
