"""`rerank-bench arena` and `import` as a user types them: ratings, a repeat, costs, sentences."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from bench import records
from bench.arena.records import ArenaRecord
from bench.arena.tables import arena_table
from bench.cli import main
from bench.names import file_name
from tests.support.arena.chat_server import ChatServer
from tests.support.arena.command import arena, figures, llm, read, sentence
from tests.support.arena.results import bad, good, write_dataset, write_run


def test_qrels_judges_and_rates(toy: Path) -> None:
    """The one that is right everywhere first, records counted by hand, the table with all of it."""
    result = arena(toy)
    assert result.exit_code == 0, result.stderr
    record = read(toy, "qrels")
    assert [each.contestant for each in record.overall.standings] == ["best", "half", "worst"]
    best, half, worst = record.overall.standings
    # The list of query 0 is good(0) = d0 d1 … and bad(0) = d1 … d0; half is right on 0, 2 and 4.
    assert (best.wins, best.losses, best.ties) == (9, 0, 3)
    assert (half.wins, half.losses, half.ties) == (3, 3, 6)
    assert (worst.wins, worst.losses, worst.ties) == (0, 9, 3)
    assert sum(each.rating.value for each in record.overall.standings) == pytest.approx(4500)
    assert record.position_bias is None
    assert record.by_dataset["toy"].standings == record.overall.standings
    for told in ("judge: qrels: the better nDCG@10 wins", "Bradley-Terry on the Elo scale", "sequential Elo"):
        assert told in result.stdout
    cells = [line.split() for line in result.stdout.splitlines()]
    assert ["best", "-", "3-0-3", "6-0-0"] in cells
    assert ["worst", "0-6-0", "0-3-3", "-"] in cells
    assert record.candidates == {"toy": "c" * 64}


def test_the_same_again_gives_the_same_record(toy: Path) -> None:
    """And appends no ballot."""
    arena(toy)
    once = read(toy, "qrels")
    ballots = (toy / "results" / "arena" / "qrels.jsonl").read_bytes()
    arena(toy)
    assert figures(read(toy, "qrels")) == figures(once)
    assert (toy / "results" / "arena" / "qrels.jsonl").read_bytes() == ballots


def test_a_failed_query_loses_and_both_failed_tie(toy: Path) -> None:
    """`gone` fails on q0 and q1, `lost` on q1: by rule, without the judge."""
    write_run(toy / "results", toy / "toy", "gone", {"q0": None, "q1": None})
    write_run(toy / "results", toy / "toy", "lost", {"q0": bad(0), "q1": None})
    assert arena(toy, "--contestant", "gone", "--contestant", "lost").exit_code == 0
    record = read(toy, "qrels")
    (pair,) = record.overall.pairs
    assert (pair.a, pair.wins_a, pair.wins_b, pair.ties) == ("gone", 0, 1, 1)
    assert record.pairings.by_rule == 2


def test_a_query_answered_with_nothing_right_still_beats_a_failure(toy: Path) -> None:
    """Both have nDCG@10 = 0; the answered one wins."""
    write_run(toy / "results", toy / "toy", "gone", {"q5": None})
    write_run(toy / "results", toy / "toy", "zero", {"q5": ["d9", "d8"]})
    arena(toy, "--contestant", "gone", "--contestant", "zero")
    assert read(toy, "qrels").overall.standings[0].contestant == "zero"


def test_agreement_with_the_judge_before(toy: Path, chat: ChatServer) -> None:
    """The LLM here judges by the same rule as the qrels but on q0, where d1 looks worse to it too: they agree."""
    arena(toy)
    result = arena(toy, *llm(chat.url))
    assert result.exit_code == 0, result.stderr
    record = read(toy, "llm-judge-1")
    (agreed,) = record.agreement
    assert agreed.judge == "qrels"
    assert agreed.matches == record.pairings.judged - record.pairings.by_rule
    assert "agreement with qrels: same verdict on" in result.stdout
    assert "position bias: the list shown first won 0.500" in result.stdout
    assert record.position_bias is not None
    assert record.position_bias.contradictions == 0


def test_no_agreement_is_taken_from_rankings_that_changed(toy: Path, chat: ChatServer) -> None:
    """A ranking that is another since the qrels judged it, if only at its end: its match is left out."""
    arena(toy)
    file = toy / "results" / "accuracy" / "toy" / "worst.jsonl"
    file.write_text(file.read_text().replace('"d11", "d3"', '"d3", "d11"', 1))
    arena(toy, *llm(chat.url))
    record = read(toy, "llm-judge-1")
    judged = record.pairings.judged - record.pairings.by_rule
    assert [each.matches for each in record.agreement] == [judged - 1]


def test_the_seed_orders_the_matches_of_sequential_elo(toy: Path) -> None:
    """Another seed, another order, another figure; the rating stays."""
    records_ = []
    for seed in ("1", "2"):
        arena(toy, "--seed", seed)
        records_.append({each.contestant: each for each in read(toy, "qrels").overall.standings})
    one, other = records_
    assert [one[name].rating.value for name in one] == [other[name].rating.value for name in one]
    assert [one[name].sequential_elo for name in one] != [other[name].sequential_elo for name in one]


def test_lists_of_equal_ndcg_tie(toy: Path) -> None:
    """Two lists that differ below the relevant document."""
    write_run(toy / "results", toy / "toy", "one", {"q1": ["d1", "d2", "d3"]})
    write_run(toy / "results", toy / "toy", "two", {"q1": ["d1", "d3", "d2"]})
    arena(toy, "--contestant", "one", "--contestant", "two")
    record = read(toy, "qrels")
    assert (record.overall.pairs[0].ties, record.pairings.by_rule) == (1, 0)


def test_what_it_costs_is_told_before_and_after(toy: Path, chat: ChatServer) -> None:
    """At the prices given, on stderr before and in table and record after."""
    result = arena(toy, *llm(chat.url, "--usd-per-m-in", "1", "--usd-per-m-out", "2", "--budget-usd", "1"))
    assert result.exit_code == 0, result.stderr
    assert "to judge: " in result.stderr
    assert "already spent: $0.0000" in result.stderr
    record = read(toy, "llm-judge-1")
    assert record.cost.usd == pytest.approx(record.cost.calls * (100 * 1 + 5 * 2) / 1e6)
    assert f"cost: {record.cost.calls} calls" in result.stdout


def test_judges_whose_names_were_once_folded_into_one_have_files_of_their_own(toy: Path, chat: ChatServer) -> None:
    """`a/b` and `a-b`: neither counts the other's ballots; a damaged record is no obstacle, it is made again."""
    told = ["--judge", "llm", "--judge-url", chat.url, "--judge-model"]
    asked = []
    for model in ("a/b", "a-b"):
        assert arena(toy, *told, model).exit_code == 0
        asked.append(len(chat.seen))
    assert asked[1] == 2 * asked[0] > 0
    assert (toy / "results" / "arena" / "llm-a-b.jsonl").is_file()
    ours = toy / "results" / "arena" / f"{file_name('llm-a/b')}.json"
    assert records.read_as(ours, ArenaRecord).judge.name == "llm-a/b"
    ours.write_text("{")
    assert arena(toy, *told, "a/b").exit_code == 0
    assert records.read_as(ours, ArenaRecord).judge.name == "llm-a/b"
    assert len(chat.seen) == asked[1]


def test_doubts_about_a_dataset_reach_the_table(toy: Path) -> None:
    """Its own, and that its labels are no human's where they are what judges."""
    arena(toy)
    record = read(toy, "qrels")
    note = replace(record.datasets["toy"], labels="made by a model", human_labels=False, doubts=["it is a toy"])
    doubtful = replace(record, datasets={"toy": note})
    assert "  labels of toy: made by a model (NOT human)\n  note: toy: it is a toy" in arena_table(doubtful)
    read_by_a_model = replace(doubtful, judge=replace(record.judge, kind="llm"))
    assert "labels of toy" not in arena_table(read_by_a_model)
    assert "note: toy: it is a toy" in arena_table(read_by_a_model)


def test_a_sample_of_matches_is_stated(toy: Path) -> None:
    """In the record and in the table."""
    result = arena(toy, "--matches", "6", "--seed", "3")
    record = read(toy, "qrels")
    assert (record.pairings.drawn, record.pairings.possible, record.seed) == (6, 18, 3)
    assert "a seeded sample" in result.stdout
    assert "6 of 18 drawn" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--judge", "llm"], "needs --judge-url and --judge-model"),
        (llm("nowhere"), "--judge-url 'nowhere' is not a valid URL"),
        (llm("http://127.0.0.1:9/v1", "--judge-fields", "[1]"), "must be a JSON object"),
        (llm("http://127.0.0.1:9/v1", "--judge-fields", "{"), "is not valid JSON"),
        (llm("http://127.0.0.1:9/v1", "--budget-usd", "1"), "--budget-usd needs --usd-per-m-in"),
        (llm("http://127.0.0.1:9/v1", "--budget-usd", "1", "--usd-per-m-in", "2"), "and --usd-per-m-out"),
        (["--dataset", "none"], "no dataset 'none'"),
        (["--contestant", "best"], "no dataset ranked by two contestants of those chosen: choose more"),
    ],
    ids=[
        "no model",
        "no URL",
        "fields no object",
        "fields no JSON",
        "no prices",
        "one price",
        "unknown dataset",
        "one alone",
    ],
)
def test_wrong_flags_end_in_one_sentence(toy: Path, arguments: list[str], told: str) -> None:
    """Exit code 1 and no trace."""
    assert told in sentence(arena(toy, *arguments))


def test_an_empty_results_folder_is_told(toy: Path) -> None:
    """With the command that fills it."""
    result = CliRunner().invoke(main, ["arena", "--results", str(toy / "nothing")])
    assert "run `rerank-bench run` first" in sentence(result)


def test_splits_of_one_dataset_count_apart(toy: Path) -> None:
    """`toy` and `toy-dev` are of the set `toy`: each has its own matches, grades and table; `--dataset` takes either.

    On dev d11 is the relevant document, which `worst` has first there and `best` last.
    """
    (toy / "toy" / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq0\td11\t1\nq1\td11\t1\n")
    for name, ranking in (("best", bad(11)), ("worst", good(11))):
        write_run(toy / "results", toy / "toy", name, {"q0": ranking, "q1": ranking}, split="dev")
    result = arena(toy)
    assert result.exit_code == 0, result.stderr
    record = read(toy, "qrels")
    assert {name: each.matches for name, each in record.by_dataset.items()} == {"toy": 18, "toy-dev": 2}
    assert {name: note.split for name, note in record.datasets.items()} == {"toy": "test", "toy-dev": "dev"}
    assert [record.by_dataset[name].standings[0].contestant for name in ("toy", "toy-dev")] == ["best", "worst"]
    assert "toy-dev: 2 matches over 2 queries" in result.stdout
    assert arena(toy, "--dataset", "toy-dev").exit_code == 0
    assert list(read(toy, "qrels").datasets) == ["toy-dev"]


def test_published_elo_stands_in_a_column_of_its_own(toy: Path) -> None:
    """For the contestant that ends with the published name; its label below; our figures are as before."""
    write_run(toy / "results", toy / "toy", "tei-bge-reranker-v2-m3", {f"q{n}": good(n) for n in range(3)})
    arena(toy)
    before = figures(read(toy, "qrels"))
    done = CliRunner().invoke(main, ["import", "--results", str(toy / "results")])
    assert done.exit_code == 0, done.stderr
    result = arena(toy)
    rows = {
        line.split()[1]: line.split() for line in result.stdout.splitlines() if line.startswith("  ") and "[" in line
    }
    assert rows["tei-bge-reranker-v2-m3"][-1] == "1334"
    assert rows["best"][-1] == "-"
    assert "published Elo: published, other definition, network included" in result.stdout
    assert figures(read(toy, "qrels")) == before


def test_a_published_column_without_a_figure_is_not_drawn(toy: Path) -> None:
    """A sentence says whose figures were imported."""
    assert CliRunner().invoke(main, ["import", "--results", str(toy / "results")]).exit_code == 0
    told = arena(toy).stdout
    assert "  published Elo: none, because the imported figures are of bge-reranker-v2-m3" in told
    (head,) = {line for line in told.splitlines() if "rating [95 %]" in line}
    assert "published" not in head
    assert "win rate, tie = 1/2 [95 %]" in head


def _damage(file: Path) -> None:
    with file.open("ab") as lines:
        lines.write(b'{"query_id"\n')


def test_a_damaged_run_is_named_and_the_rest_is_rated(toy: Path) -> None:
    """On stderr, in the table and in the record; exit code 1, and the figures are those without it."""
    arena(toy, "--contestant", "best", "--contestant", "worst")
    without = read(toy, "qrels")
    _damage(toy / "results" / "accuracy" / "toy" / "half.jsonl")
    result = arena(toy)
    assert sentence(result) == "Error: the arena was computed without the files that are named above as left out"
    assert "half.jsonl line " in result.stderr.splitlines()[0]
    assert result.stderr.startswith("left out: ")
    assert "  left out: " in result.stdout
    record = read(toy, "qrels")
    assert (record.overall, record.by_dataset) == (without.overall, without.by_dataset)
    assert len(record.left_out) == 1


def test_a_copy_of_a_run_does_not_take_its_place(toy: Path) -> None:
    """If two files belong to one contestant, the second is named and left out, whatever its rankings are."""
    arena(toy)
    before = read(toy, "qrels")
    folder = toy / "results" / "accuracy" / "toy"
    text = (folder / "worst.jsonl").read_text()
    (folder / "worst2.jsonl").write_text(text.replace('"worst"', '"best"'))
    result = arena(toy)
    assert "worst2.jsonl is a second run of best: remove one of them" in result.stderr
    assert result.exit_code == 1
    assert (read(toy, "qrels").overall, len(read(toy, "qrels").left_out)) == (before.overall, 1)


def test_a_damaged_run_that_was_asked_for_is_the_error(toy: Path) -> None:
    """Not that there is no such contestant."""
    _damage(toy / "results" / "accuracy" / "toy" / "half.jsonl")
    told = sentence(arena(toy, "--contestant", "half", "--contestant", "best"))
    assert "half.jsonl line " in told
    assert "is not a valid raw ranking" in told


def test_damaged_ballots_of_another_judge_cost_only_the_agreement(toy: Path, chat: ChatServer) -> None:
    """And damaged figures of others only their column."""
    arena(toy)
    _damage(toy / "results" / "arena" / "qrels.jsonl")
    (toy / "results" / "published.json").write_text("{")
    result = arena(toy, *llm(chat.url))
    assert result.exit_code == 1
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()].count("left out") == 2
    record = read(toy, "llm-judge-1")
    assert (record.agreement, record.pairings.judged) == ([], 18)
    assert "qrels.jsonl line " in record.left_out[0]


def test_a_dataset_that_changed_costs_only_its_own_matches(toy: Path) -> None:
    """The others are rated."""
    hard = write_dataset(toy, name="hard")
    for name in ("best", "worst"):
        write_run(toy / "results", hard, name, {f"q{n}": good(n) for n in range(6)}, dataset_sha256="e" * 64)
    result = arena(toy, "--data", str(hard))
    assert result.exit_code == 1
    assert "is not the one ranked in" in result.stderr
    assert list(read(toy, "qrels").by_dataset) == ["toy"]
