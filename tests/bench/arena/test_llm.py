"""The LLM judge against a local endpoint: both orders, cache, budget, retries, failures, and what it may see."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import retry
from bench.arena.judges import chat as chat_module
from bench.arena.judges.budget import Budget, Prices
from bench.arena.judges.chat import EndpointAway, vendor_key
from bench.arena.judges.llm import LlmJudge, LlmSettings
from bench.arena.judges.question import read_verdict
from bench.arena.ledger import Ledger, read_ballots
from bench.arena.matches import Key, Match, all_matches
from bench.arena.tournament import Tally, hold, tally, verdicts
from bench.errors import BenchError, ServerError
from bench.settings import Settings
from tests.bench.arena.chat_server import ChatServer, prefer_lower, said
from tests.bench.arena.results import load_from
from tests.bench.running import running

Scripted = tuple[int, Any, dict[str, str]]


class Bout:
    """The toy field before an LLM judge."""

    def __init__(self, root: Path, server: ChatServer, **told: Any) -> None:
        self.field = load_from(root)
        self.matches = all_matches(self.field, 0)
        self.file = root / "ballots.jsonl"
        self.settings = LlmSettings(url=server.url, model="judge-1", **{"concurrency": 1, "retries": 2, **told})

    def run(self, matches: list[Match] | None = None, **told: Any) -> Tally:
        judge = LlmJudge(self.field, replace(self.settings, **told))
        drawn = self.matches if matches is None else matches
        with Ledger(self.file) as ledger:
            hold(judge, drawn, ledger)
            return tally(judge, drawn, ledger)

    def told_to_others(self) -> dict[Key, str]:
        """The verdicts that the agreement with another judge is taken from."""
        return verdicts(read_ballots(self.file), {match.key: match.rankings for match in self.matches})


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a hundredth of what they are; how long they are is the retry policy's own test."""
    waited = retry.wait_s
    monkeypatch.setattr(chat_module, "wait_s", lambda headers, attempt: waited(headers, attempt) / 100)


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
    assert {len(looks) for looks in found.looks} == {2}


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
    assert dict(found.errors) == {"the answer names neither A nor B nor tie": 1}
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


def test_a_look_without_an_answer_is_asked_for_next_time(toy: Path, chat: ChatServer) -> None:
    """Three times 503 is away: no ballot, the match pending, the rest judged."""
    chat.replies = [(503, {}, {})] * 3
    bout = Bout(toy, chat)
    found = bout.run()
    assert (found.counts["pending"], found.counts["failed"]) == (1, 0)
    asked = len(chat.seen)
    assert bout.run().counts["pending"] == 0
    assert len(chat.seen) == asked + 1


def test_looks_without_an_answer_end_nothing_while_others_are_answered(toy: Path, chat: ChatServer) -> None:
    """Six looks unanswered, an answered one after each."""
    away: list[Scripted | None] = [(503, {}, {})] * 3
    chat.replies = [*away, None] * 6
    assert Bout(toy, chat).run().counts["pending"] == 6


def test_an_endpoint_that_is_down_ends_the_judging(toy: Path, chat: ChatServer) -> None:
    """After five looks in a row without an answer; what was judged before is on file."""
    chat.replies = [None, None, *[(500, {}, {})] * 60]
    bout = Bout(toy, chat)
    with pytest.raises(EndpointAway, match="did not answer, asked 3 times: status 500"):
        bout.run()
    assert len(chat.seen) == 2 + 5 * 3
    assert len(bout.file.read_text().splitlines()) == 2


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_wrong_key_or_model_ends_the_judging_at_once(toy: Path, chat: ChatServer, status: int) -> None:
    """One question, one sentence, and the key not in it."""
    chat.replies = [(status, {"error": "no: sk-secret"}, {})]
    with pytest.raises(ServerError, match=rf"will not answer: status {status}") as caught:
        Bout(toy, chat, key="sk-secret").run()
    assert "sk-secret" not in str(caught.value)
    assert len(chat.seen) == 1


def test_the_key_is_sent_and_kept_nowhere(toy: Path, chat: ChatServer) -> None:
    """A bearer token in the header; not in the ballots, the note or the settings' text."""
    bout = Bout(toy, chat, key="sk-secret")
    bout.run()
    assert {headers["Authorization"] for headers in chat.headers_seen} == {"Bearer sk-secret"}
    judge = LlmJudge(bout.field, bout.settings)
    assert "sk-secret" not in bout.file.read_text() + repr(judge.note) + repr(bout.settings)


def test_other_judges_are_told_of_the_verdicts_that_count(toy: Path, chat: ChatServer) -> None:
    """No match of which one look was unreadable or is not there yet is among them, whatever its other look says."""
    chat.replies = [None, said("I cannot say."), said("Still not.")]
    bout = Bout(toy, chat)
    found = bout.run(max_calls=8)
    assert (found.counts["failed"], len(found.judged)) == (1, 2)
    assert len(bout.file.read_text().splitlines()) == 7
    assert bout.told_to_others() == found.judged


def test_looks_at_another_cut_are_not_mixed_with_those_before(toy: Path, chat: ChatServer) -> None:
    """One order of a match at 30 characters, with the opposite answer: its two looks at 500 count on until the other
    order is judged.
    """
    bout = Bout(toy, chat)
    found = bout.run()
    chat.answer = lambda lists: prefer_lower({"ranking A": lists["ranking B"], "ranking B": lists["ranking A"]})
    bout.run(characters=30, max_calls=len(chat.seen) + 1)
    assert bout.told_to_others() == found.judged
    assert bout.run(characters=30, max_calls=len(chat.seen) + 1).judged.items() <= bout.told_to_others().items()
    assert bout.told_to_others() != found.judged


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


def test_a_budget_of_calls_is_kept_over_repeats(toy: Path, chat: ChatServer) -> None:
    """Five calls, then none more for the same cap, then the rest."""
    bout = Bout(toy, chat, concurrency=3)
    found = bout.run(max_calls=5)
    assert len(chat.seen) == found.cost.calls == 5
    assert found.counts["pending"] > 0
    bout.run(max_calls=5)
    assert len(chat.seen) == 5
    whole = bout.run()
    assert whole.counts["pending"] == 0
    assert whole.cost.calls == len(chat.seen)


def test_a_budget_in_usd_is_never_passed(toy: Path, chat: ChatServer) -> None:
    """At 1 USD a million tokens a call costs .002; the worst case of the next must fit as well; repeats count."""
    chat.usage = {"prompt_tokens": 1500, "completion_tokens": 500}
    bout = Bout(toy, chat, prices=Prices(1.0, 1.0), concurrency=4)
    found = bout.run(max_usd=0.008)
    assert found.cost.usd == pytest.approx(0.002 * len(chat.seen))
    assert 0 < found.cost.usd <= 0.008
    assert found.counts["pending"] > 0
    bout.run(max_usd=0.008)
    assert 0.002 * len(chat.seen) <= 0.008


def test_a_budget_in_usd_needs_prices(toy: Path, chat: ChatServer) -> None:
    """Both of them, and a limit of the reply; without them it would be a promise that cannot be kept."""
    unlimited = {"prices": Prices(1.0, 1.0), "fields": {"max_tokens": None}}
    for told in ({}, {"prices": Prices(2.0, None)}, {"prices": Prices(None, 2.0)}, unlimited):
        with pytest.raises(BenchError, match="a budget in USD needs"):
            Bout(toy, chat, max_usd=1.0, **told).run()


def test_a_price_of_nothing_is_a_price(toy: Path, chat: ChatServer) -> None:
    """Given as 0 it is known, so that a cap of 0 USD is kept by asking for free."""
    assert Bout(toy, chat, max_usd=0.0, prices=Prices(0.0, 0.0)).run().counts["pending"] == 0


def test_tokens_that_are_not_told_cost_the_worst_case(toy: Path, chat: ChatServer) -> None:
    """A byte of the request is at most a token, and the reply at most its limit."""
    chat.usage = None
    bout = Bout(toy, chat, prices=Prices(1.0, 1.0), fields={"max_tokens": 50})
    found = bout.run(bout.matches[:1] if bout.matches[0].by_rule(10) is None else bout.matches[1:2])
    sent = sum(len(json.dumps(seen, separators=(",", ":"), ensure_ascii=False).encode()) for seen in chat.seen)
    assert found.cost.usd == pytest.approx((sent + 50 * len(chat.seen)) / 1e6)


def test_fields_are_added_and_taken_away(toy: Path, chat: ChatServer) -> None:
    """For models that want max_completion_tokens and no temperature."""
    fields = {"max_tokens": None, "temperature": None, "max_completion_tokens": 2000, "reasoning_effort": "low"}
    Bout(toy, chat, fields=fields).run()
    assert set(chat.seen[0]) == {"model", "messages", "max_completion_tokens", "reasoning_effort"}


def test_the_forecast_is_near_what_is_spent(toy: Path, chat: ChatServer) -> None:
    """Looks exactly; tokens as four bytes each."""
    bout = Bout(toy, chat, prices=Prices(1.0, 1.0))
    judge = LlmJudge(bout.field, bout.settings)
    judged = [match for match in bout.matches if match.by_rule(10) is None]
    with Ledger(bout.file) as ledger:
        forecast = judge.forecast(judged, ledger)
    bout.run()
    assert forecast.looks == len(chat.seen)
    sent = sum(len(json.dumps(seen["messages"]).encode()) for seen in chat.seen)
    assert forecast.prompt_tokens == pytest.approx(sent / 4, rel=0.05)
    with Ledger(bout.file) as ledger:
        assert judge.forecast(judged, ledger).looks == 0


def test_concurrency_changes_no_verdict(toy: Path, chat: ChatServer) -> None:
    """Eight at a time, slow and out of order."""
    alone = Bout(toy, chat).run()
    (toy / "ballots.jsonl").unlink()
    chat.delay_s = 0.01
    assert Bout(toy, chat, concurrency=8).run().judged == alone.judged


def test_budgets_set_the_worst_case_aside() -> None:
    """Two that would fit one by one do not fit together; settled, the difference is free again."""
    budget = Budget(max_usd=1.0, max_calls=None)
    assert budget.take(0.6)
    assert not budget.take(0.6)
    budget.settle(0.6, 0.1)
    assert budget.take(0.6)
    budget.settle(0.6, 0.1)
    assert budget.spent_usd == pytest.approx(0.2)


def test_the_tests_own_judge_is_consistent() -> None:
    """The oracle of this file answers by content and not by place."""
    lists = {"ranking A": ["document 3"], "ranking B": ["document 1"]}
    assert json.loads(prefer_lower(lists)) == {"better": "B"}
