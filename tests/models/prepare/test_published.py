"""Published scores: the forms that are read, the bounds, and which files are refused."""

import json
from pathlib import Path

import pytest
from scipy.special import expit

from models.artefact import Source
from models.prepare import published
from models.prepare.errors import PrepareError
from models.prepare.published import BOUNDS, Comparison, PublishedScore, compare, failures, read, scores_of


def write(folder: Path, content: object) -> Path:
    path = folder / "scores.json"
    path.write_text(json.dumps(content))
    return path


def test_pairs_with_logits_are_read(tmp_path: Path) -> None:
    """The first form: pairs beside their logits; logits win over sigmoids."""
    path = write(tmp_path, [{"source": "card", "pairs": [["q", "a"], ["q", "b"]], "logits": [1.5, -2], "sigmoid": [1]}])
    assert read(path) == [PublishedScore("q", "a", 1.5, "card"), PublishedScore("q", "b", -2.0, "card")]


def test_sigmoids_of_pairs_become_logits(tmp_path: Path) -> None:
    """The second form: scipy's sigmoid of the logit that is read is the score that was published."""
    sigmoids = [0.25, 0.5, 0.9948403768236574, 1e-9]
    path = write(
        tmp_path, [{"source": "card", "pairs": [["q", str(score)] for score in sigmoids], "sigmoid": sigmoids}]
    )
    read_back = read(path)
    assert [float(expit(score.logit)) for score in read_back] == pytest.approx(sigmoids, rel=1e-9)
    assert [score.document for score in read_back] == [str(score) for score in sigmoids]


def test_a_query_with_texts_is_read(tmp_path: Path) -> None:
    """The third form: one query, several texts, their sigmoids."""
    path = write(tmp_path, [{"query": "q", "texts": ["a", "b"], "sigmoid": [0.5, 0.75]}])
    assert [(score.query, score.document, score.source) for score in read(path)] == [("q", "a", ""), ("q", "b", "")]
    assert [score.logit for score in read(path)] == pytest.approx([0.0, 1.0986123])


def test_entries_of_another_form_are_passed_over(tmp_path: Path) -> None:
    """An entry without logits or sigmoids says nothing; the others are read."""
    other = {"query": "q", "texts": ["a"], "top3_index": [0], "sigmoid_onnx_int8": [0.5]}
    path = write(tmp_path, [other, {"pairs": [["q", "a"]], "logits": [3.0]}])
    assert [score.logit for score in read(path)] == [3.0]


@pytest.mark.parametrize(
    "content",
    [
        {"pairs": [["q", "a"]], "logits": [1.0]},
        [1, 2],
        [{"pairs": [["q", "a"]], "logits": [1.0, 2.0]}],
        [{"pairs": [["q", "a", "b"]], "logits": [1.0]}],
        [{"pairs": [["q", 5]], "logits": [1.0]}],
        [{"pairs": [["q", "a"]], "logits": ["one"]}],
        [{"pairs": [["q", "a"]], "logits": [None]}],
        [{"pairs": 7, "logits": [1.0]}],
        [{"texts": ["a"], "sigmoid": [0.5]}],
        [{"query": "q", "texts": ["a"], "sigmoid": [0.0]}],
        [{"query": "q", "texts": ["a"], "sigmoid": [1.0]}],
        [{"query": "q", "texts": ["a"], "sigmoid": [1.5]}],
    ],
    ids=str,
)
def test_what_is_no_list_of_scores_is_refused(tmp_path: Path, content: object) -> None:
    """Missing, surplus or mistyped figures, and sigmoids outside (0, 1): one sentence with the file's name."""
    path = write(tmp_path, content)
    with pytest.raises(PrepareError, match="is not a list of published scores") as raised:
        read(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"{", b'[{"source": "\xff"}]'], ids=["empty", "torn", "latin1"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    """One sentence, not a trace."""
    path = tmp_path / "scores.json"
    path.write_bytes(content)
    with pytest.raises(PrepareError, match="is not a list of published scores"):
        read(path)


def test_a_file_without_scores_is_refused(tmp_path: Path) -> None:
    """An empty list, or none of the known forms, would check nothing; a missing file neither."""
    for content in ([], [{"source": "card"}]):
        with pytest.raises(PrepareError, match="has no entry with pairs and logits"):
            read(write(tmp_path, content))
    with pytest.raises(PrepareError, match="cannot be read: No such file"):
        read(tmp_path / "none.json")


@pytest.mark.parametrize("precision", sorted(BOUNDS))
def test_a_score_must_be_met_within_the_precisions_bound(precision: str) -> None:
    """Just inside passes, just outside and NaN fail, above and below; the message has both figures."""
    bound = BOUNDS[precision]
    for sign in (1, -1):
        assert failures([Comparison("q", "d", 2.0, 2.0 + sign * bound * 0.99)], precision) == []
        (failure,) = failures([Comparison("q", "d", 2.0, 2.0 + sign * bound * 1.01)], precision)
        assert failure.startswith("published logit 2.000 of 'q' with 'd'")
        assert f"{2.0 + sign * bound * 1.01:.3f}" in failure
    assert len(failures([Comparison("q", "d", 2.0, float("nan"))], precision)) == 1


def test_int8_may_be_further_away_than_fp16_and_that_than_fp32() -> None:
    """The bounds widen with the rounding."""
    assert BOUNDS["fp32"] < BOUNDS["fp16"] < BOUNDS["int8"]


def test_every_published_pair_is_scored() -> None:
    """Each score stands beside what the model gives for its query and its document."""
    scores = [PublishedScore("what", "text", 1.0, "s"), PublishedScore("a", "bcd", 2.0, "s")]
    compared = compare(scores, lambda query, document: 10.0 * len(query) + len(document))
    assert compared == [Comparison("what", "text", 1.0, 44.0), Comparison("a", "bcd", 2.0, 13.0)]


def test_known_scores_go_with_the_hub_id() -> None:
    """bge-reranker-v2-m3 has its card's three, a local copy or another model none."""
    source = Source(hub_id="BAAI/bge-reranker-v2-m3", revision="main", licence="Apache-2.0")
    assert [score.logit for score in scores_of(source)] == [-5.65234375, -8.1875, 5.26171875]
    assert scores_of(Source(hub_id="bge-reranker-v2-m3", revision="local", licence="unknown")) == []


def test_the_collected_scores_are_read_and_hold_the_known_ones(data_dir: Path) -> None:
    """The card's three, as they are known here, and four by sigmoid; the entry of another form adds none."""
    scores = read(data_dir / "bge-reranker-v2-m3" / "reference_scores.json")
    assert [(s.query, s.document, s.logit) for s in scores[:3]] == [
        (s.query, s.document, s.logit) for s in published.BY_HUB_ID["BAAI/bge-reranker-v2-m3"]
    ]
    assert [float(expit(s.logit)) for s in scores[3:]] == pytest.approx(
        [0.013636836, 0.000593021, 0.92879725, 0.00012148176], rel=1e-6
    )
