"""The LLM judge against a local endpoint: both orders, cache, retries, failures, and what it may see."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.arena.judges.budget import Prices
from bench.arena.judges.chat import EndpointAway, vendor_key
from bench.arena.judges.llm import LlmJudge
from bench.arena.judges.question import read_verdict
from bench.arena.ledger import BallotLedger, read_ballots
from bench.errors import BenchError, ServerError
from bench.settings import Settings
from tests.support.arena.bout import Bout
from tests.support.arena.chat_server import ChatServer, prefer_lower, said
from tests.support.running import running

Scripted = tuple[int, Any, dict[str, str]]


def test_every_match_is_shown_in_both_orders(toy: Path, chat: ChatServer) -> None:
    """A consistent judge's choice is the match's verdict; the two questions differ in the lists' places alone."""
    bout = Bout(toy, chat)
    judged = [match for match in bout.matches if match.by_rule(10) is None]
    found = bout.run()
    assert len(chat.seen) == 2 * len(judged)
    lists = [json.loads(seen["messages"][1]["content"]) for seen in chat.seen]
    for one, other in zip(lists[::2], lists[1::2], strict=True):
        assert (one["ranking A"], one["ranking B"]) == (other["ranking B"], other["ranking A"])
        assert one["query"] == other["query"]
    for match in judged:
        a, b = (int(match.shown(side, 10)[0][1:]) for side in ("a", "b"))
        assert found.judged[match.key] == ("a" if a < b else "b")


def test_no_name_and_nothing_beyond_the_cut_is_sent(toy: Path, chat: ChatServer) -> None:
    """Ten passages of either list, cut and marked; never a contestant's name, an id or a score."""
    Bout(toy, chat, characters=20).run()
    for seen in chat.seen:
        assert seen["model"] == "judge-1"
        assert seen["temperature"] == 0
        told = json.loads(seen["messages"][1]["content"])
        assert set(told) == {"query", "ranking A", "ranking B"}
        passages = told["ranking A"] + told["ranking B"]
        assert len(passages) == 20
        assert max(map(len, passages)) == 21
        assert all(text.startswith("document ") and (len(text) < 21 or text.endswith("…")) for text in passages)
        assert not any(name in json.dumps(seen) for name in ("best", "half", "worst"))


def test_a_judge_that_contradicts_itself_has_said_tie(toy: Path, chat: ChatServer) -> None:
    """One that always names the first list decides nothing."""
    chat.answer = lambda _: '{"better": "A"}'
    found = Bout(toy, chat).run()
    assert set(found.judged.values()) == {"tie"}
    assert {len(ballots) for ballots in found.ballots} == {2}


def test_the_same_again_asks_nothing(toy: Path, chat: ChatServer) -> None:
    """Not where all is on file; another model or another cut is another judgement."""
    bout = Bout(toy, chat)
    first = bout.run()
    asked = len(chat.seen)
    assert bout.run() == first
    assert len(chat.seen) == asked
    bout.run(characters=30)
    assert len(chat.seen) == 2 * asked
    bout.run(model="judge-2")
    assert len(chat.seen) == 3 * asked


def test_the_same_model_at_another_address_is_the_same_judge(toy: Path, chat: ChatServer) -> None:
    """What is on file is not paid for again because the server moved."""
    bout = Bout(toy, chat)
    first = bout.run()
    with running(ChatServer()) as moved:
        assert bout.run(url=moved.url) == first
        assert moved.seen == []


def test_a_ranking_that_changed_is_judged_anew(toy: Path, chat: ChatServer) -> None:
    """Ballots on lists that are no longer the contestant's do not count."""
    Bout(toy, chat).run()
    asked = len(chat.seen)
    file = toy / "results" / "accuracy" / "toy" / "worst.jsonl"
    file.write_text(file.read_text().replace('"d2", "d3", "d4"', '"d3", "d2", "d4"', 1))
    Bout(toy, chat).run()
    assert len(chat.seen) == asked + 4


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ('{"better": "A"}', "b"),
        ('```json\n{"better": "b"}\n```', "a"),
        ('I first thought {"better": "B"} but no: {"better": "tie"}.', "tie"),
        ('{"better":"A","why":"it is"}', "b"),
        ("A", None),
        ('{"better": "A or B"}', None),
        ('{"better": null}', None),
        ("", None),
        ('{"better": "A"', None),
    ],
)
def test_answers_are_read_strictly(content: str, verdict: str | None) -> None:
    """The last object with a verdict, in fences or prose; nothing is guessed. The list shown as A is b's."""
    assert read_verdict(content, "b") == verdict


def test_an_unreadable_answer_is_asked_for_once_more(toy: Path, chat: ChatServer) -> None:
    """Both calls are counted."""
    chat.replies = [said("I cannot say."), None]
    found = Bout(toy, chat).run()
    assert found.counts["failed"] == 0
    assert found.cost.calls == len(chat.seen) == 2 * len(found.judged) + 1


def test_a_second_unreadable_answer_is_a_failure_that_stands(toy: Path, chat: ChatServer) -> None:
    """The match is left out and counted with its reason; the same again does not ask for it."""
    chat.replies = [said("I cannot say."), said("Still not.")]
    bout = Bout(toy, chat)
    found = bout.run()
    assert found.counts["failed"] == 1
    assert dict(found.errors) == {"the answer does not name A, B or tie": 1}
    asked = len(chat.seen)
    assert bout.run() == found
    assert len(chat.seen) == asked


def test_a_question_that_is_refused_is_a_failure_with_the_endpoints_words(toy: Path, chat: ChatServer) -> None:
    """Such as a content filter's 400; the others go on."""
    chat.replies = [(400, {"error": {"message": "filtered"}}, {})] * 2
    found = Bout(toy, chat).run()
    assert list(found.errors) == ['status 400: {"error": {"message": "filtered"}}']
    assert found.counts["failed"] == 1


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_busy_endpoint_is_asked_again(toy: Path, chat: ChatServer, status: int) -> None:
    """Twice refused, then answered: the same verdicts as without."""
    expected = Bout(toy, chat).run().judged
    (toy / "ballots.jsonl").unlink()
    chat.replies = [(status, {"error": "busy"}, {"Retry-After": "1"})] * 2
    assert Bout(toy, chat).run().judged == expected


def test_a_presentation_without_an_answer_is_asked_for_next_time(toy: Path, chat: ChatServer) -> None:
    """Three times 503 is away: the match pending, the rest judged."""
    chat.replies = [(503, {}, {})] * 3
    bout = Bout(toy, chat)
    found = bout.run()
    assert (found.counts["pending"], found.counts["failed"]) == (1, 0)
    asked = len(chat.seen)
    assert bout.run().counts["pending"] == 0
    assert len(chat.seen) == asked + 1


def test_presentations_without_an_answer_end_nothing_while_others_are_answered(toy: Path, chat: ChatServer) -> None:
    """Six presentations unanswered, an answered one after each."""
    away: list[Scripted | None] = [(503, {}, {})] * 3
    chat.replies = [*away, None] * 6
    assert Bout(toy, chat).run().counts["pending"] == 6


def test_an_endpoint_that_is_down_ends_the_judging(toy: Path, chat: ChatServer) -> None:
    """After five presentations in a row without an answer; what was judged before is on file."""
    chat.replies = [None, None, *[(500, {}, {})] * 60]
    bout = Bout(toy, chat)
    with pytest.raises(EndpointAway, match="did not answer after 3 attempts: status 500"):
        bout.run()
    assert len(chat.seen) == 2 + 5 * 3
    assert [seen.unfinished for seen in read_ballots(bout.file)] == [False, False, *[True] * 5]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_ends_the_judging_at_once(toy: Path, chat: ChatServer, status: int) -> None:
    """One question, one sentence, and the key not in it."""
    chat.replies = [(status, {"error": "no: sk-secret"}, {})]
    with pytest.raises(ServerError, match=rf"refused the request: status {status}") as caught:
        Bout(toy, chat, key="sk-secret").run()
    assert "sk-secret" not in str(caught.value)
    assert len(chat.seen) == 1


def test_the_key_is_sent_and_kept_nowhere(toy: Path, chat: ChatServer) -> None:
    """A bearer token in the header; not in the ballots, the note or the settings' text."""
    bout = Bout(toy, chat, key="sk-secret")
    bout.run()
    assert {headers["Authorization"] for headers in chat.headers_seen} == {"Bearer sk-secret"}
    judge = LlmJudge(bout.entrants, bout.settings)
    assert "sk-secret" not in bout.file.read_text() + repr(judge.note) + repr(bout.settings)


def test_other_judges_are_told_of_the_verdicts_that_count(toy: Path, chat: ChatServer) -> None:
    """No match of which one answer was unreadable or is not there yet is among them, whatever its other one says."""
    chat.replies = [None, said("I cannot say."), said("Still not.")]
    bout = Bout(toy, chat)
    found = bout.run(max_calls=8)
    assert (found.counts["failed"], len(found.judged)) == (1, 2)
    assert len(bout.file.read_text().splitlines()) == 7
    assert bout.verdicts_for_others() == found.judged


def test_ballots_on_another_cut_are_not_mixed_with_those_before(toy: Path, chat: ChatServer) -> None:
    """One order of a match at 30 characters, with the opposite answer: its two ballots at 500 count on until the other
    order is judged.
    """
    bout = Bout(toy, chat)
    found = bout.run()
    chat.answer = lambda lists: prefer_lower({"ranking A": lists["ranking B"], "ranking B": lists["ranking A"]})
    bout.run(characters=30, max_calls=len(chat.seen) + 1)
    assert bout.verdicts_for_others() == found.judged
    assert bout.run(characters=30, max_calls=len(chat.seen) + 1).judged.items() <= bout.verdicts_for_others().items()
    assert bout.verdicts_for_others() != found.judged


def test_whose_key_goes_where() -> None:
    """OPENAI_API_KEY to OpenAI's own host over TLS alone; JUDGE_API_KEY to the URL that the user gave."""
    both = Settings(keys={"OPENAI_API_KEY": "o", "JUDGE_API_KEY": "j"})
    openai = Settings(keys={"OPENAI_API_KEY": "o"})
    assert vendor_key("https://api.openai.com/v1", openai) == "o"
    assert vendor_key("http://api.openai.com/v1", openai) is None
    assert vendor_key("https://elsewhere.example/v1", openai) is None
    assert vendor_key("https://elsewhere.example/v1", both) == "j"
    for url in ("elsewhere/v1", "https://user:pass@host/v1"):
        with pytest.raises(BenchError, match="--judge-url"):
            vendor_key(url, both)


def test_fields_are_added_and_taken_away(toy: Path, chat: ChatServer) -> None:
    """For models that want max_completion_tokens and no temperature."""
    fields = {"max_tokens": None, "temperature": None, "max_completion_tokens": 2000, "reasoning_effort": "low"}
    Bout(toy, chat, fields=fields).run()
    assert set(chat.seen[0]) == {"model", "messages", "max_completion_tokens", "reasoning_effort"}


def test_the_forecast_is_near_what_is_spent(toy: Path, chat: ChatServer) -> None:
    """Presentations exactly; tokens as four bytes each."""
    bout = Bout(toy, chat, prices=Prices(1.0, 1.0))
    judge = LlmJudge(bout.entrants, bout.settings)
    judged = [match for match in bout.matches if match.by_rule(10) is None]
    with BallotLedger(bout.file) as ledger:
        forecast = judge.forecast(judged, ledger)
    bout.run()
    assert forecast.presentations == len(chat.seen)
    sent = sum(len(json.dumps(seen["messages"]).encode()) for seen in chat.seen)
    assert forecast.prompt_tokens == pytest.approx(sent / 4, rel=0.05)
    with BallotLedger(bout.file) as ledger:
        assert judge.forecast(judged, ledger).presentations == 0


def test_concurrency_changes_no_verdict(toy: Path, chat: ChatServer) -> None:
    """Eight at a time, slow and out of order."""
    alone = Bout(toy, chat).run()
    (toy / "ballots.jsonl").unlink()
    chat.delay_s = 0.01
    assert Bout(toy, chat, concurrency=8).run().judged == alone.judged


def test_the_tests_own_judge_is_consistent() -> None:
    """The oracle of this file answers by content and not by place."""
    lists = {"ranking A": ["document 3"], "ranking B": ["document 1"]}
    assert json.loads(prefer_lower(lists)) == {"better": "B"}
