"""Scores the lines of `rerank score` with the server's batches, so that a line on which the model fails costs no other.

A group of lines is tokenised, planned and run together, whatever their queries. A text that the tokenizer rejects and a
pair on which the model fails (a token id beyond its word table, a logit that is not finite, too little memory) become
the error of their line.
"""

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from models.batching import plan_batches
from models.chunks import ChunkOptions
from models.loaded_model import LoadedModel
from models.pair import Pair
from models.scorer import sigmoid
from service.commands.jsonl import Document, Result
from service.engine.executor import BatchExecutor, PairFailure

Outcome = float | PairFailure
"""A logit, or why there is none."""


class LineScorer:
    """A loaded model that scores documents in groups; a with block ends its threads."""

    def __init__(self, model: LoadedModel, chunks: ChunkOptions, *, raw_scores: bool) -> None:
        """Warm a model up and start its inference threads.

        Args:
            model: the loaded model.
            chunks: how long documents are read.
            raw_scores: whether to give logits instead of relevance scores.

        Raises:
            ArtefactError: the model fails on a short test pair.
        """
        model.warm_up()
        session = model.session
        self.model = model
        self.chunks = chunks
        self.raw_scores = raw_scores
        self._executor = BatchExecutor(
            session.run, session.run_single, session.max_batch_tokens, session.device.length_multiple
        )
        self._threads = ThreadPoolExecutor(session.inference_threads, thread_name_prefix="inference")

    def results(self, documents: Sequence[Document]) -> list[Result]:
        """Score a group of documents together; return a result for each, in their order, errors included."""
        outcomes = iter(self._outcomes([document for document in documents if document.error is None]))
        return [
            document.failed(document.error) if document.error is not None else self._result(document, next(outcomes))
            for document in documents
        ]

    def _result(self, document: Document, outcome: Outcome) -> Result:
        if isinstance(outcome, PairFailure):
            return document.failed(outcome.reason)
        score = outcome if self.raw_scores else float(sigmoid(outcome))
        return Result(index=document.index, id=document.id, score=score)

    def _outcomes(self, documents: Sequence[Document]) -> list[Outcome]:
        """Return the outcome of each document, which is that of its best chunk."""
        encoded: list[list[Pair] | PairFailure] = []
        for query, group in itertools.groupby(documents, key=lambda document: document.query):
            encoded += self._encoded(query, [document.text for document in group])
        logits = iter(self._run([pair for one in encoded if isinstance(one, list) for pair in one]))
        return [
            _best(itertools.islice(logits, len(one))) if isinstance(one, list) else one  # in the order of the pairs
            for one in encoded
        ]

    def _encoded(self, query: str, texts: list[str]) -> list[list[Pair] | PairFailure]:
        """Return the pairs of each text, or the failure of a text that the tokenizer rejects even alone."""
        try:
            return list(self.model.tokeniser.chunked_pairs(query, texts, self.chunks).by_document())
        except Exception as error:  # noqa: BLE001 - the Rust binding raises bare Exception
            if len(texts) == 1:
                return [PairFailure(f"the text cannot be tokenised: {error}")]
        return [one for text in texts for one in self._encoded(query, [text])]

    def _run(self, pairs: Sequence[Pair]) -> list[Outcome]:
        """Run pairs in batches on all inference threads; return their outcomes in the order of the pairs."""
        batches = plan_batches([len(pair) for pair in pairs], self._executor.budget, self.model.session.run_cost_tokens)
        single = len(batches) == 1
        runs = self._threads.map(
            lambda batch: self._executor.run([pairs[index] for index in batch], single=single), batches
        )
        outcomes = {
            index: outcome
            for batch, answer in zip(batches, runs, strict=True)
            for index, outcome in zip(batch, answer, strict=True)
        }
        return [outcomes[index] for index in range(len(pairs))]

    def __enter__(self) -> "LineScorer":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()


def _best(chunks: Iterator[Outcome]) -> Outcome:
    """Return the highest logit of a document's chunks, or the failure of the first chunk that has one."""
    outcomes = list(chunks)
    failures = (PairFailure(f"the model failed: {one.reason}") for one in outcomes if isinstance(one, PairFailure))
    return next(failures, None) or max(one for one in outcomes if not isinstance(one, PairFailure))
