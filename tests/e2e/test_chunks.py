"""Length over HTTP: pairs at the edge of an 8,192 window, and long documents read in several chunks.

The server runs a tiny XLM-R-like model whose logit hears every single token, so one word more or less shows.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.chunks import ChunkOptions
from models.scorer import Scorer
from tests.support.server import Server, run_rerank
from tests.support.texts import PASSAGES
from tests.support.texts import QUERY as REAL_QUERY
from tests.support.tiny import WORDS, make_artefact

WINDOW = 8192
SPECIAL = 4
QUERY = "what is a panda"
ROOM = WINDOW - SPECIAL - 4
"""What the window leaves for a document beside the four words of QUERY."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / "long"
    make_artefact(made, "xlm-roberta", max_tokens=WINDOW, scale=1e-7)
    return made


@pytest.fixture(scope="module")
def long_server(folder: Path) -> Iterator[Server]:
    with Server("--model", str(folder), "--max-documents", "20") as running:
        yield running


def text(words: int, seed: int = 0, among: Sequence[str] = WORDS) -> str:
    """So many words, of which no two stretches are alike."""
    return " ".join(np.random.default_rng(seed).choice(among, words))


def logits(server: Server, documents: list[str], query: str = QUERY, **fields: object) -> list[float]:
    return server.scores(query, documents, raw_scores=True, **fields)


def tokens(server: Server, documents: list[str], query: str = QUERY, **fields: object) -> int:
    used: int = server.rerank(query, documents, **fields).json()["usage"]["total_tokens"]
    return used


def test_8192_tokens_pass_whole(long_server: Server) -> None:
    """The last word of a pair that just fits is heard."""
    assert long_server.client.get("/info").json()["max_input_length"] == WINDOW
    body = text(ROOM - 1)
    panda, bread, shorter = logits(long_server, [f"{body} panda", f"{body} bread", body])
    assert len({panda, bread, shorter}) == 3
    assert tokens(long_server, [f"{body} panda"]) == WINDOW


def test_from_8193_tokens_on_the_documents_end_is_cut(long_server: Server) -> None:
    """Whatever comes after is neither scored nor counted."""
    body = text(ROOM)
    fits, *longer = logits(long_server, [body, f"{body} panda", f"{body} bread", f"{body} {text(60_000, 1)}"])
    assert longer == [fits] * 3
    assert tokens(long_server, [f"{body} panda"]) == WINDOW


def test_a_query_of_10000_words_is_cut_to_three_quarters(long_server: Server) -> None:
    """6,144 of its tokens are kept, and the document has the rest."""
    query = text(10_000, 2)
    cut = " ".join(query.split()[:6144])
    document = text(WINDOW - 6144 - SPECIAL, 3)
    assert logits(long_server, [document], query) == logits(long_server, [document], cut)
    assert logits(long_server, [document], query) != logits(long_server, [document], cut.rpartition(" ")[0] + " oven")
    assert tokens(long_server, [document], query) == WINDOW
    assert logits(long_server, [f"{document} panda"], query) == logits(long_server, [document], query)


@pytest.mark.parametrize("overlap", [0, 80])
def test_a_document_scores_as_the_best_of_its_chunks(long_server: Server, overlap: int) -> None:
    """Chunks sent as documents of their own give the maximum, and the usage is the sum of theirs."""
    one, two, best = text(8000, 4, WORDS[:5]), text(8000, 5, WORDS[5:10]), text(8000, 6, WORDS[10:])
    documents = [f"{best} {one} {two}", f"{two} {best} {one}", f"{one} {two} {best}", "a bear", text(ROOM, 7)]
    expected, used, best_chunks = [], 0, set()
    for document in documents:
        words = document.split()
        starts = [start for start in range(0, len(words), ROOM - overlap) if start == 0 or start + overlap < len(words)]
        parts = [" ".join(words[start : start + ROOM]) for start in starts]
        scores = logits(long_server, parts)
        expected.append(max(scores))
        used += tokens(long_server, parts)
        best_chunks.add(scores.index(max(scores)))
    assert best_chunks == {0, 1, 2}, "each must once be the best"
    fields: dict[str, Any] = {"max_chunks_per_doc": 10, "overlap_tokens": overlap}
    assert np.allclose(logits(long_server, documents, **fields), expected, atol=1e-6)
    assert tokens(long_server, documents, **fields) == used
    ranked = [result["index"] for result in long_server.rerank(QUERY, documents, **fields).json()["results"]]
    assert ranked == sorted(range(len(documents)), key=lambda index: (-expected[index], index))


def test_what_lies_beyond_the_last_chunk_is_cut_off(long_server: Server, folder: Path) -> None:
    """Two chunks of a document that has three; the in-process scorer gives the same."""
    document = text(20_000, 4)
    two = " ".join(document.split()[: 2 * ROOM])
    assert logits(long_server, [document], max_chunks_per_doc=2) == logits(long_server, [two], max_chunks_per_doc=9)
    assert tokens(long_server, [document], max_chunks_per_doc=2) == 2 * WINDOW
    with Scorer.open(folder, device="cpu") as scorer:
        expected = scorer.logits(QUERY, [document], ChunkOptions(max_chunks_per_doc=9, overlap_tokens=500))
    answered = logits(long_server, [document], max_chunks_per_doc=9, overlap_tokens=500)
    assert np.allclose(answered, expected, atol=1e-6)


def test_numbers_may_be_strings_or_null(long_server: Server) -> None:
    """As clients send them: null is the default, "3" is 3, and more chunks than there are do no harm."""
    document = text(20_000, 4)
    for most, chunks in ((None, 1), (1, 1), ("3", 3), (3, 3), (1024, 3), (10**9, 3), (10**18, 3)):
        used = tokens(long_server, [document], max_chunks_per_doc=most, overlap_tokens=None)
        assert used == 20_000 + 3 * 8 if chunks == 3 else WINDOW, most


def test_an_overlap_of_more_than_half_the_room_counts_as_half(long_server: Server) -> None:
    """Every chunk brings at least as much that is new as it repeats, however much is asked for."""
    document = text(20_000, 4)
    half = tokens(long_server, [document], max_chunks_per_doc=9, overlap_tokens=ROOM // 2)
    assert half == 20_000 + 3 * (ROOM // 2) + 4 * 8
    for overlap in (ROOM // 2 + 1, ROOM, 10**9, "10000"):
        assert tokens(long_server, [document], max_chunks_per_doc=9, overlap_tokens=overlap) == half


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("max_chunks_per_doc", 0, "max_chunks_per_doc: must be 1 (to truncate) or more, not 0"),
        ("max_chunks_per_doc", -1, "max_chunks_per_doc: must be 1 (to truncate) or more, not -1"),
        ("max_chunks_per_doc", 1.5, "max_chunks_per_doc: expected int | null, got float"),
        ("max_chunks_per_doc", "many", "max_chunks_per_doc: expected int | null, got str"),
        ("overlap_tokens", -1, "overlap_tokens: must be 0 (for none) or more, not -1"),
        ("overlap_tokens", [80], "overlap_tokens: expected int | null, got array"),
    ],
)
def test_numbers_that_cannot_be_are_refused(long_server: Server, field: str, value: object, message: str) -> None:
    """422, naming the field, the value and what would be right."""
    answer = long_server.rerank(QUERY, ["a bear"], **{field: value})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == message
    assert answer.json()["error"]["param"] == field


def test_chunks_count_as_documents_in_the_limit(long_server: Server) -> None:
    """20 documents fit, and so do 10 of two chunks each; one chunk more is refused with the way out."""
    assert tokens(long_server, [text(ROOM + 1)] * 10, max_chunks_per_doc=2) == 10 * (WINDOW + SPECIAL + 4 + 1)
    answer = long_server.rerank(QUERY, [text(ROOM + 1)] * 10 + ["a bear"], max_chunks_per_doc=2)
    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(
        "the documents make 21 chunks or more with max_chunks_per_doc 2"
    )
    assert "at most 20 are allowed" in answer.json()["error"]["message"]
    assert answer.json()["error"]["param"] == "max_chunks_per_doc"


def test_the_openapi_document_describes_chunks(server: Server) -> None:
    """Both fields, with what they mean."""
    request = server.client.get("/docs/openapi.json").json()["components"]["schemas"]["RerankRequest"]
    for field, said in (("max_chunks_per_doc", "the best chunk"), ("overlap_tokens", "counts as half")):
        assert said in json.dumps(request["properties"][field])
        assert field not in request["required"]


def test_rerank_score_reads_chunks_as_the_scorer_does(scorer: Scorer) -> None:
    """Its two flags, over documents with queries of their own."""
    documents = [" ".join(PASSAGES) * 12, PASSAGES[0], " ".join(PASSAGES[::-1]) * 14]
    queries = [REAL_QUERY, REAL_QUERY, "bread"]
    given = "".join(
        json.dumps({"text": d, "query": q}) + "\n" for d, q in zip(documents, queries, strict=True)
    ).encode()
    done = run_rerank("score", "--max-chunks-per-doc", "4", "--overlap-tokens", "30", "--raw-scores", stdin=given)
    assert done.returncode == 0, done.stderr
    chunk_options = ChunkOptions(max_chunks_per_doc=4, overlap_tokens=30)
    expected = [scorer.logits(q, [d], chunk_options)[0] for q, d in zip(queries, documents, strict=True)]
    truncated = [scorer.logits(q, [d])[0] for q, d in zip(queries, documents, strict=True)]
    assert np.abs(np.subtract(expected, truncated)).max() > 0.01
    scores = [json.loads(line)["score"] for line in done.stdout.splitlines()]
    assert np.allclose(scores, expected, atol=1e-5)
    assert run_rerank("score", "--max-chunks-per-doc", "0", stdin=given).returncode == 2
    assert run_rerank("score", "--overlap-tokens", "-1", stdin=given).returncode == 2


def test_a_run_with_other_chunks_is_not_gone_on_with(tmp_path: Path) -> None:
    """The message names the option, and the output stays as it is; with the options of before the run is finished."""
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    long = f"{PASSAGES[0]} " * 60 + f"{PASSAGES[1]} " * 10
    source.write_text(
        "".join(json.dumps(entry) + "\n" for entry in [PASSAGES[0], 5, long, *PASSAGES * 2, "panda", "bear"])
    )
    arguments = ("score", "-q", REAL_QUERY, "-d", str(source), "-o", str(output), "--max-chunks-per-doc", "4")
    assert "1 line could not be scored" in run_rerank(*arguments).stderr
    whole = output.read_bytes()
    begun = b"".join(whole.splitlines(keepends=True)[:14])
    output.write_bytes(begun)
    for other in (("--max-chunks-per-doc", "1"), ("--overlap-tokens", "200")):
        done = run_rerank(*arguments, *other, "--skip-done")
        assert done.returncode == 2
        assert f"was made with another {other[0]} (" in done.stderr
        assert output.read_bytes() == begun
    assert "1 line could not be scored" in run_rerank(*arguments, "--skip-done").stderr
    assert output.read_bytes() == whole
