"""Contestants, datasets and judges with names in any script, from the command line to the report."""

import shutil
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bench import records
from bench.arena.records import ArenaRecord
from bench.cli import main
from bench.data import datasets
from bench.latency.files import profile_path
from bench.names import file_name
from bench.records import AccuracyRecord
from tests.support.fake_reranker import FakeReranker
from tests.support.runs import WriteBeir, asked, bench_run

ARABIC, CHINESE = "القاهرة", "北京"


def rerank_bench(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result


def _records(results: Path) -> dict[tuple[str, str], float]:
    """nDCG@10 by dataset and contestant, of all records in a folder."""
    found = [
        records.read_as(file, AccuracyRecord)
        for file in sorted((results / "accuracy").glob("*/*.json"))
        if file.name != "candidates.json"
    ]
    return {(each.dataset.name, each.contestant.name): each.measures["nDCG@10"].value for each in found}


def test_contestants_in_any_script_have_their_own_figures(tmp_path: Path) -> None:
    """Measured by commands of their own: the second once showed the first one's figures."""
    kinds = {
        "模型甲": "bm25",
        "模型乙": "oracle",
        "Москва": "oracle",
        ARABIC: "bm25",
        "a/b": "bm25",
        "a b": "oracle",
        "$a$": "bm25",
    }
    flags = ["--data", "sample", "--results", str(tmp_path)]
    for name, kind in kinds.items():
        assert name in rerank_bench("run", "--contestant", f"{name}={kind}", *flags).stdout
    found = _records(tmp_path)
    assert found.keys() == {("sample", name) for name in kinds}
    assert found["sample", "模型乙"] == found["sample", "a b"] > found["sample", "模型甲"] == found["sample", ARABIC]
    record = _arena(tmp_path)
    assert {each.contestant for each in record.overall.standings} == kinds.keys()
    rerank_bench("report", "--results", tmp_path, "--out", tmp_path / "site")
    pages = (tmp_path / "site" / "contestants").glob("*.html")
    heads = {name for page in pages for name in kinds if f"<h1>{name}</h1>" in page.read_text(encoding="utf-8")}
    assert heads == kinds.keys()


def _arena(results: Path) -> ArenaRecord:
    rerank_bench("arena", "--results", results)
    record: ArenaRecord = records.read_as(results / "arena" / "qrels.json", ArenaRecord)
    return record


def test_datasets_in_any_script_have_their_own_figures(beir: WriteBeir, tmp_path: Path) -> None:
    """Two folders with Chinese names and two that were once folded into one, each under the name of its folder."""
    results = tmp_path / "results"
    names = [CHINESE, "上海", "my set", "my-set"]
    for name in names:
        folder = Path(shutil.copytree(datasets.SAMPLE, tmp_path / "sets" / name))
        with (folder / "corpus.jsonl").open("a", encoding="utf-8") as corpus:
            corpus.write(f'{{"_id": "x", "text": "{name}"}}\n')
        rerank_bench("run", "--contestant", "bm25", "--contestant", "oracle", "--data", folder, "--results", results)
    assert {dataset for dataset, _ in _records(results)} == set(names)
    chosen = [flag for name in names for flag in ("--data", tmp_path / "sets" / name)]
    rerank_bench("arena", "--results", results, *chosen, "--dataset", CHINESE, "--dataset", "my set")
    record = records.read_as(results / "arena" / "qrels.json", ArenaRecord)
    assert set(record.datasets) == {CHINESE, "my set"}


def test_a_split_and_a_dataset_of_its_name_are_apart(beir: WriteBeir, tmp_path: Path) -> None:
    """The split `dev` of `toy`, and the dataset `toy-dev`: the second was refused."""
    folder = beir()
    beir(split="dev")
    (tmp_path / "sets").mkdir()
    other = Path(
        shutil.copytree(folder, tmp_path / "sets" / f"{folder.name}-dev", ignore=shutil.ignore_patterns("sets"))
    )
    results = tmp_path / "results"
    flags = ["--contestant", "bm25", "--contestant", "oracle", "--results", str(results)]
    rerank_bench("run", "--data", folder, "--split", "dev", *flags)
    rerank_bench("run", "--data", other, *flags)
    rerank_bench("run", "--data", folder, "--split", "dev", *flags)
    assert len(list((results / "accuracy").iterdir())) == 2
    assert {dataset for dataset, _ in _records(results)} == {folder.name, f"{folder.name}-dev"}


def test_what_an_earlier_version_folded_is_found_and_not_taken_for_anothers(
    reranker: FakeReranker, tmp_path: Path
) -> None:
    """`rerank-acme-m.jsonl` with the model `acme/m` in its header is of `rerank:acme/m`, and of no other name."""
    flags = ["--data", "sample", "--results", str(tmp_path), "--contestant"]
    at = f"@{reranker.url}"
    assert bench_run(*flags, f"rerank-acme-m=rerank:acme/m{at}").exit_code == 0  # what was written for rerank:acme/m
    assert len(asked(reranker)) == 14
    again = bench_run(*flags, f"rerank:acme/m{at}")
    assert (again.exit_code, len(asked(reranker))) == (0, 14)
    for number, spec in enumerate((f"rerank-acme/m=rerank{at}", f"rerank acme m=rerank{at}"), start=2):
        assert bench_run(*flags, spec).exit_code == 0
        assert len(asked(reranker)) == 14 * number
    assert (tmp_path / "accuracy" / "sample" / "rerank-acme-m.jsonl").is_file()


def test_a_folder_that_an_earlier_version_folded_is_found(tmp_path: Path) -> None:
    """`my set` was in `my-set`, whose candidates name the dataset."""
    folder = shutil.copytree(datasets.SAMPLE, tmp_path / "my set")
    command = ["run", "--contestant", "bm25", "--data", str(folder), "--results", str(tmp_path / "r")]
    rerank_bench(*command)
    accuracy = tmp_path / "r" / "accuracy"
    (accuracy / file_name("my set")).rename(accuracy / "my-set")
    assert "already has every ranking" in rerank_bench(*command).stderr
    assert [path.name for path in accuracy.iterdir()] == ["my-set"]


def test_profiles_in_any_script_are_measured_and_compared(reranker: FakeReranker, tmp_path: Path) -> None:
    """By the names that were typed; each has its own samples."""
    for name in (CHINESE, "上海", "a/b", "a b"):
        flags = [
            "--url",
            reranker.url,
            "--data",
            "sample",
            "--results",
            str(tmp_path),
            "--documents",
            "2",
            "--requests",
            "2",
        ]
        rerank_bench("latency", *flags, "--profile", name)
        assert profile_path(tmp_path, name).is_file()
    assert len(list((tmp_path / "latency").glob("*.parquet"))) == 4
    assert "上海 compared with 北京" in rerank_bench("compare", CHINESE, "上海", "--results", tmp_path).stdout
    decomposed = unicodedata.normalize("NFD", "é")
    rerank_bench("latency", *flags, "--profile", decomposed)
    assert profile_path(tmp_path, "é").is_file()
    told = CliRunner().invoke(main, ["latency", *flags, "--profile", "a\nb"]).stderr
    assert "Error: the name 'a\\nb' contains a control character" in told
    unknown = CliRunner().invoke(main, ["compare", CHINESE, "a-b", "--results", str(tmp_path)])
    assert unknown.exit_code == 1
    assert all(name in unknown.stderr for name in (CHINESE, "上海", "a/b", "a b"))


def test_a_finished_profile_is_not_shown_as_another_contestants(reranker: FakeReranker, tmp_path: Path) -> None:
    """The second contestant under the same --profile once got the first one's figures."""
    flags = ["latency", "--data", "sample", "--results", str(tmp_path), "--documents", "2", "--requests", "2"]
    flags += ["--profile", "p", "--contestant"]
    rerank_bench(*flags, f"one=rerank@{reranker.url}")
    done = CliRunner().invoke(main, [*flags, f"two=rerank:m@{reranker.url}"])
    assert done.exit_code == 1
    assert "contestant was one, is now two; model was None, is now m" in done.stderr


@pytest.mark.parametrize("voter", ["李", "ليلى"])
def test_voters_in_any_script_have_their_own_ballots(tmp_path: Path, voter: str) -> None:
    """Whose name is in the file's, and not only a dash."""
    assert voter in file_name(f"human-{voter}")
