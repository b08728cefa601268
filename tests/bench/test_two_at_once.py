"""Two commands at once into one file: one is refused, or waits if both want the same; nothing is spoiled."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.data import lock
from bench.file_lock import FileLock
from bench.latency import samples
from tests.support.arena.chat_server import ChatServer, prefer_lower
from tests.support.arena.results import bad, good, write_dataset, write_run
from tests.support.fake_reranker import FakeReranker, shared_words
from tests.support.running import running
from tests.support.runs import WriteBeir, asked, many_queries, rankings_of, record_of
from tests.support.two_at_once import BENCH, end, sentence, start, until

pytestmark = pytest.mark.slow


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Until it is set, servers that wait for it do not answer."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def slow_reranker(reranker: FakeReranker) -> FakeReranker:
    reranker.delay_s = 0.05
    return reranker


def test_two_latency_commands_into_one_profile(reranker: FakeReranker, gate: threading.Event, tmp_path: Path) -> None:
    """The later one says whose the file is and asks nobody; the first one's profile is whole."""
    reranker.score = lambda query, document: float(gate.wait(120)) and shared_words(query, document)
    flags = ["--url", reranker.url, "--data", "sample", "--results", str(tmp_path), "--documents", "2"]
    command = [*BENCH, "latency", *flags, "--requests", "30", "--rounds", "3", "--warm-up", "0"]
    first = start(command)
    until(lambda: reranker.seen)
    code, out, err = end(start(command))
    assert len(reranker.seen) == 1
    path = tmp_path / "latency" / "rerank.parquet"
    assert sentence(err) == (
        f"Error: another process is writing to {path}: wait for it to end, or give another --profile name "
        f"(process {first.pid})"
    )
    assert (code, out) == (1, "")
    gate.set()
    assert end(first)[0] == 0
    profile = samples.read(path)
    assert (profile.finished(), len(profile.observations(0).round)) == ([0], 30)
    assert len(reranker.seen) == 31  # the check, and the first command's requests
    assert sorted(each.name for each in path.parent.iterdir()) == ["rerank.json", "rerank.parquet"]


def test_commands_that_begin_together_do_not_spoil_each_other(slow_reranker: FakeReranker, beir: WriteBeir) -> None:
    """Four runs of one contestant: those that come too late end with 1, and every query has one ranking."""
    folder = many_queries(beir, 30)
    flags = ["--url", slow_reranker.url, "--data", str(folder), "--results", str(folder / "r"), "--depth", "5"]
    done = [end(process) for process in [start([*BENCH, "run", *flags]) for _ in range(4)]]
    assert 0 in {code for code, _, _ in done} <= {0, 1}
    for code, _, err in done:
        if code:
            assert "another run is writing to " in sentence(err)
            assert "rerank.jsonl: wait for it to end, or give the contestant another NAME (process " in sentence(err)
    assert len(asked(slow_reranker)) == len(rankings_of(folder / "r", "rerank", folder.name).rankings) == 30
    assert record_of(folder / "r", "rerank", folder.name).queries == 30


def test_two_runs_of_different_contestants_share_the_candidates(slow_reranker: FakeReranker, beir: WriteBeir) -> None:
    """Both begin in an empty folder: one freezes the candidates, the other uses them, and both are measured."""
    folder = many_queries(beir, 20)
    flags = ["--data", str(folder), "--results", str(folder / "r"), "--depth", "5", "--contestant"]
    specs = [f"{name}=rerank@{slow_reranker.url}" for name in ("one", "two", "three")]
    done = [end(process) for process in [start([*BENCH, "run", *flags, spec]) for spec in specs]]
    assert [code for code, _, _ in done] == [0, 0, 0], [err for _, _, err in done]
    hashes = {record_of(folder / "r", name, folder.name).candidates.sha256 for name in ("one", "two", "three")}
    assert len(hashes) == 1


def test_candidates_that_another_process_freezes_are_waited_for(tmp_path: Path) -> None:
    """The command says for whom it waits, and then uses what it finds."""
    path = tmp_path / "accuracy" / "sample" / "candidates.json"
    command = [*BENCH, "candidates", "--data", "sample", "--results", str(tmp_path)]
    with FileLock(path, "held by this test"):
        process = start(command)
        assert process.stderr is not None
        told = next(line for line in process.stderr if "another process" in line)
        assert process.poll() is None
        assert not path.exists()
    assert told.startswith(f"another process is writing {path}: waiting for it (process ")
    assert end(process)[0] == 0
    assert path.is_file()


def test_two_arenas_with_one_judge(gate: threading.Event, tmp_path: Path) -> None:
    """The second asks the judge nothing and pays nothing; the record counts the first one's ballots."""
    toy = write_dataset(tmp_path)
    for name, rank in (("best", good), ("worst", bad)):
        write_run(tmp_path / "results", toy, name, {f"q{n}": rank(n) for n in range(6)})
    with running(ChatServer()) as chat:
        chat.answer = lambda lists: prefer_lower(lists) if gate.wait(120) else ""
        command = [*BENCH, "arena", "--results", str(tmp_path / "results"), "--data", str(toy), "--judge", "llm"]
        command += ["--judge-url", chat.url, "--judge-model", "m", "--concurrency", "1"]
        first = start(command)
        until(lambda: chat.seen)
        code, _, err = end(start(command))
        assert len(chat.seen) == 1
        assert "another arena is writing to " in sentence(err)
        assert f"(process {first.pid})" in sentence(err)
        gate.set()
        assert (code, end(first)[0]) == (1, 0)
        assert len(chat.seen) == 12  # six matches in both orders
    record = json.loads((tmp_path / "results" / "arena" / "llm-m.json").read_text())
    assert record["cost"]["calls"] == 12


@pytest.mark.parametrize(
    ("arguments", "file", "words"),
    [
        (["import"], "published.json", "another import is writing to "),
        (["report", "--out", "{}/site"], "site", "another process is writing the report "),
        (
            ["run", "--contestant", "bm25", "--data", "sample"],
            "accuracy/sample/bm25.json",
            "another run is writing to ",
        ),
        (["arena"], "arena/qrels.jsonl", "another arena is writing to "),
    ],
)
def test_every_other_writer_is_refused_too(tmp_path: Path, arguments: list[str], file: str, words: str) -> None:
    """One sentence, exit code 1, and the folder is as it was."""
    results = ["--results", str(tmp_path)]
    for reference in ("bm25", "oracle"):
        assert end(start([*BENCH, "run", "--contestant", reference, "--data", "sample", *results]))[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with FileLock(tmp_path / file, "held by this test"):
        code, _, err = end(start([*BENCH, *(each.format(tmp_path) for each in arguments), *results]))
    assert code == 1
    assert words in sentence(err)
    assert len(sentence(err).splitlines()) == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


PIN = """
import sys
from pathlib import Path
from bench.data import lock
for number in range(40):
    lock.pin(Path(sys.argv[1]), f"{sys.argv[2]}/{number}", lock.Pin("00", 0, "first fetch", "now"))
"""


def test_hashes_of_two_fetches_are_all_kept(tmp_path: Path) -> None:
    """Three processes fetch different datasets into one folder; none overwrites what another has just recorded."""
    processes = [start([BENCH[0], "-c", PIN, str(tmp_path), name]) for name in ("a", "b", "c")]
    assert [end(process)[0] for process in processes] == [0, 0, 0]
    assert len(lock.read(tmp_path)) == 120


@pytest.fixture
def blocked(tmp_path: Path) -> Iterator[threading.Event]:
    """Holds the lock of a dataset's folder until the event is set."""
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with FileLock(tmp_path / "scifact", "held by this test"):
            held.set()
            free.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    yield free
    free.set()
    thread.join()


def test_a_dataset_that_another_process_fetches_is_waited_for(tmp_path: Path, blocked: threading.Event) -> None:
    """Then it is there, and nothing is downloaded twice: the mirror of this test does not exist."""
    process = start([*BENCH, "data", "fetch", "scifact", "--to", str(tmp_path), "--mirror", "http://127.0.0.1:9"])
    assert process.stderr is not None
    told = next(process.stderr)
    assert told.startswith(f"another process is fetching {tmp_path / 'scifact'}: waiting for it (process ")
    (tmp_path / "scifact").mkdir()
    (tmp_path / "scifact" / "corpus.jsonl").write_text('{"_id": "d", "text": "t"}\n')
    blocked.set()
    code, out, _ = end(process)
    assert (code, out.startswith(str(tmp_path / "scifact"))) == (0, True)


def test_a_results_folder_that_cannot_be_written_is_one_sentence() -> None:
    """Before any request."""
    code, _, err = end(start([*BENCH, "latency", "--data", "sample", "--results", "/proc/results"]))
    assert code == 1
    assert "/proc/results/latency/rerank.parquet cannot be written: " in sentence(err)
