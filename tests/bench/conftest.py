"""Fixtures of the bench's tests: the local reranker, a URL where there is none, and BEIR folders."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.candidates.candidates import freeze
from bench.data import datasets
from tests.support.bm25 import BM25
from tests.support.embeddings_server import EmbeddingsServer
from tests.support.fake_reranker import FakeReranker
from tests.support.running import running


@pytest.fixture
def reranker() -> Iterator[FakeReranker]:
    with running(FakeReranker()) as server:
        yield server


@pytest.fixture
def embeddings_server() -> Iterator[EmbeddingsServer]:
    with running(EmbeddingsServer()) as server:
        yield server


@pytest.fixture
def no_one_there() -> str:
    """A URL at which nothing listens."""
    server = FakeReranker()
    server.server_close()
    return server.url


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default result folders land in the test's own folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def bm25(request: pytest.FixtureRequest, data_dir: Path) -> BM25:
    """The real set of the test's parameter with its BM25 top 100. The large ones take seconds: tests parametrised over
    the session have the same set one after the other, whatever file they stand in, so that each is made once.
    """
    dataset = datasets.load(datasets.find(request.param, data_dir))
    return dataset, freeze(dataset, 100)


@pytest.fixture
def beir(tmp_path: Path) -> Callable[..., Path]:
    """Writes a BEIR folder from lines; what is not given is a small valid set."""

    def write(
        corpus: str = '{"_id": "d1", "title": "T", "text": "one"}\n{"_id": "d2", "text": "two"}\n',
        queries: str = '{"_id": "q1", "text": "first"}\n{"_id": "q2", "text": "second"}\n',
        qrels: str = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t2\n",
        split: str = "test",
    ) -> Path:
        (tmp_path / "qrels").mkdir(exist_ok=True)
        (tmp_path / "corpus.jsonl").write_text(corpus, encoding="utf-8")
        (tmp_path / "queries.jsonl").write_text(queries, encoding="utf-8")
        (tmp_path / "qrels" / f"{split}.tsv").write_text(qrels, encoding="utf-8")
        return tmp_path

    return write
