"""Published figures: the three forms, their labels, and what is refused."""

import json
from pathlib import Path

import pytest

from bench.errors import DataError
from bench.published import published
from bench.published.table import published_figure, published_table, unmatched_sentence

LEADERBOARD = [
    {
        "name": "some-reranker",
        "overall": {"elo": 1467.62, "elo_std": 53.89, "wins": 693, "win_rate": 0.33, "avg_ndcg_10": 0.68},
        "by_dataset": {
            "FiQa": {"elo": 1361.99, "metrics": {"ndcg@10": 0.12, "recall@5": 0.105}, "latency": {"p50_ms": 1316.01}},
            "PG": {"elo": 1393.0, "latency": {"p50_ms": 1019.17}},
        },
        "comparisons": {"jina": {"wins": 1}},
    }
]


def test_the_shipped_figures_are_those_of_the_page() -> None:
    """P50 and P90 of six datasets, Elo, win rate and record; each source labelled and dated."""
    leaderboard, beir = published.shipped()
    (entry,) = leaderboard.contestants
    assert (entry.overall["elo"], entry.overall["win_rate"], entry.overall["nDCG@10"]) == (1334, 0.306, 0.084)
    assert entry.overall["wins"] / (entry.overall["wins"] + entry.overall["losses"]) == pytest.approx(0.306, abs=5e-4)
    assert {name: (of["p50_ms"], of["p90_ms"]) for name, of in entry.by_dataset.items()} == {
        "MSMARCO": (825, 1247),
        "business reports": (895, 1679),
        "PG": (1225, 2091),
        "FiQA": (1019, 1649),
        "DBPedia": (806, 1068),
        "ArguAna": (1658, 2279),
    }
    assert leaderboard.label == "published, other definition, network included"
    assert {name: of["nDCG@10"] for name, of in beir.contestants[0].by_dataset.items()} == {
        "fiqa": 0.397,
        "scifact": 0.731,
        "nfcorpus": 0.336,
        "dbpedia": 0.445,
    }


def test_the_leaderboards_own_file_is_read(tmp_path: Path) -> None:
    """Figures of all groups by dataset, named as the bench names them."""
    file = tmp_path / "benchmarks.json"
    file.write_text(json.dumps(LEADERBOARD))
    (source,) = published.read(file, "the leaderboard", "2026-11-01")
    (entry,) = source.contestants
    assert entry.contestant == "some-reranker"
    assert entry.overall == {"elo": 1467.62, "elo_std": 53.89, "wins": 693, "win_rate": 0.33, "nDCG@10": 0.68}
    assert entry.by_dataset["FiQa"] == {"elo": 1361.99, "nDCG@10": 0.12, "Recall@5": 0.105, "p50_ms": 1316.01}
    assert source.label == published.LABEL


def test_a_csv_is_read(tmp_path: Path) -> None:
    """With a byte order mark and Windows line ends, as a spreadsheet writes it; no dataset is overall."""
    file = tmp_path / "figures.csv"
    file.write_bytes("\ufeffcontestant,dataset,figure,value\r\nx,,elo,1500\r\nx,fiqa,ndcg@10,.4\r\n".encode())
    (source,) = published.read(file, "a paper", "2026-11-01")
    (entry,) = source.contestants
    assert (entry.overall, entry.by_dataset) == ({"elo": 1500.0}, {"fiqa": {"nDCG@10": 0.4}})


def test_what_was_written_is_read_again_and_a_source_replaced(tmp_path: Path) -> None:
    """By its name; other sources stay."""
    published.merge(tmp_path, published.shipped())
    file = tmp_path / "benchmarks.json"
    file.write_text(json.dumps(LEADERBOARD))
    published.merge(tmp_path, published.read(file, "another", "2026-11-01"))
    record = published.merge(tmp_path, published.read(file, "another", "2026-11-02"))
    assert published.load(tmp_path) == record
    assert [each.date for each in record.sources if each.source == "another"] == ["2026-11-02"]
    assert len(record.sources) == 3


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.json", "[{]", "contains no published figures"),
        ("a.json", '{"name": "x"}', "contains no published figures"),
        ("a.json", json.dumps(LEADERBOARD), "does not name the source of its figures"),
        ("a.csv", "name,elo\nx,1\n", "the first line must be contestant,dataset,figure,value"),
        ("a.csv", "contestant,dataset,figure,value\nx,,elo,high\n", "line 2: expected four columns with a number"),
        ("a.csv", "contestant,dataset,figure,value\nx,,elo\n", "line 2: expected four columns"),
        ("a.csv", "contestant,dataset,figure,value\n,,elo,1\n", "must not be empty"),
        ("a.csv", "contestant,dataset,figure,value\n", "contains no figures"),
        ("a.json", "[]", "contains no figures"),
        ("a.json", "\0[\0]", "is in UTF-16BE, not in UTF-8: convert it"),
    ],
    ids=[
        "no JSON",
        "other JSON",
        "no source",
        "other columns",
        "no number",
        "short",
        "no name",
        "empty",
        "empty list",
        "UTF-16",
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str, content: str, told: str) -> None:
    """In one sentence with the file."""
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(DataError, match=told):
        published.read(file, None, None)


@pytest.mark.parametrize(
    ("figure", "value", "told"),
    [
        ("elo", "nan", "elo of x is nan, which is not a finite number"),
        ("elo", "1e999", "elo of x is inf, which is not a finite number"),
        ("win_rate", "30.6", "win_rate of x must be a share from 0 to 1, not 30.6"),
        ("win_rate", "-0.1", "win_rate of x must be a share from 0 to 1, not -0.1"),
    ],
)
def test_a_figure_that_no_page_could_show_is_refused(tmp_path: Path, figure: str, value: str, told: str) -> None:
    """NaN is no JSON, so the results folder could not be read again; a share in percent would read 3060 %."""
    file = tmp_path / "a.csv"
    file.write_text(f"contestant,dataset,figure,value\nx,,{figure},{value}\n")
    with pytest.raises(DataError, match=told):
        published.read(file, "a paper", "2026-11-01")


def test_an_integer_beyond_all_figures_is_refused(tmp_path: Path) -> None:
    """In a sentence, like any other number that is none."""
    file = tmp_path / "a.json"
    file.write_text('[{"name": "x", "overall": {"elo": 1' + "0" * 400 + "}}]")
    with pytest.raises(DataError, match=r"not a finite number|contains no published figures"):
        published.read(file, "a paper", "2026-11-01")


def test_whose_figures_were_imported_is_told_if_no_contestant_has_one(tmp_path: Path) -> None:
    """Instead of a column of dashes; nothing is told where a name is matched, or where nothing was imported."""
    record = published.merge(tmp_path, published.shipped())
    sentence = unmatched_sentence(record, ["good", "bge-reranker-v2-m3-int8"], ["elo"])
    assert sentence is not None
    assert sentence.startswith("the imported figures are of bge-reranker-v2-m3, and no contestant has such a name")
    assert unmatched_sentence(record, ["good", "tei-bge-reranker-v2-m3"], ["elo"]) is None
    assert unmatched_sentence(None, ["good"], ["elo"]) is None


def test_a_date_must_be_one(tmp_path: Path) -> None:
    """YYYY-MM-DD."""
    file = tmp_path / "a.json"
    file.write_text(json.dumps(LEADERBOARD))
    with pytest.raises(DataError, match="must be YYYY-MM-DD, not 'yesterday'"):
        published.read(file, "x", "yesterday")


def test_the_table_keeps_sources_apart(tmp_path: Path) -> None:
    """A block each, opened by label, source and date; what was not published is a dash."""
    text = published_table(published.merge(tmp_path, published.shipped()))
    heads = [line for line in text.splitlines() if not line.startswith(" ")]
    assert len(heads) == 2
    assert heads[0].startswith("published, other definition, network included: Agentset reranker leaderboard")
    row = next(line.split() for line in text.splitlines() if "MSMARCO" in line)
    assert row[-2:] == ["825", "1247"]
    assert "-" in row


def test_names_are_matched_whole(tmp_path: Path) -> None:
    """The published name itself, or as the end after a dash or slash; not a part of a longer name."""
    record = published.merge(tmp_path, published.shipped())
    assert published_figure(record, "BGE-reranker-v2-m3", "elo") == (1334, record.sources[0])
    assert published_figure(record, "tei-bge-reranker-v2-m3", "elo") == (1334, record.sources[0])
    assert published_figure(record, "rerank-BAAI/bge-reranker-v2-m3", "elo") == (1334, record.sources[0])
    assert published_figure(record, "mybge-reranker-v2-m3", "elo") is None
    assert published_figure(record, "bge-reranker-v2-m3-int8", "elo") is None
    assert published_figure(None, "bge-reranker-v2-m3", "elo") is None


def test_the_longest_name_that_fits_is_the_contestants(tmp_path: Path) -> None:
    """A shorter published name is another model's, in whatever order and source they stand; the source comes along."""
    file = tmp_path / "a.csv"
    file.write_text("contestant,dataset,figure,value\nm3,,elo,1\nbge-m3,,elo,2\nm3,,win_rate,0.5\n")
    other = tmp_path / "b.csv"
    other.write_text("contestant,dataset,figure,value\ntei-bge-m3,,elo,3\n")
    published.merge(tmp_path, published.read(file, "A", "2026-11-01"))
    record = published.merge(tmp_path, published.read(other, "B", "2026-11-01"))
    first, second = record.sources
    assert published_figure(record, "m3", "elo") == (1, first)
    assert published_figure(record, "my-bge-m3", "elo") == (2, first)
    assert published_figure(record, "tei-bge-m3", "elo") == (3, second)


def test_figures_of_single_datasets_only_are_told(tmp_path: Path) -> None:
    """A contestant with the published name, of which nothing overall was published, has no column either."""
    file = tmp_path / "a.csv"
    file.write_text("contestant,dataset,figure,value\ngood,toy,nDCG@10,0.5\nother,,elo,1500\n")
    record = published.merge(tmp_path, published.read(file, "A", "2026-11-01"))
    assert unmatched_sentence(record, ["good", "bad"], ["elo"]) == (
        "the imported figures of good are others, or of single datasets only"
    )
