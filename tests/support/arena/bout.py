"""The toy entrants before an LLM judge: what most tests of that judge begin with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.arena.judges.llm import LlmJudge, LlmSettings
from bench.arena.ledger import BallotLedger, read_ballots
from bench.arena.matches import Match, MatchKey, all_matches
from bench.arena.tournament import Tally, play, tally, verdicts
from tests.support.arena.chat_server import ChatServer
from tests.support.arena.results import load_from


class Bout:
    """The toy entrants before an LLM judge."""

    def __init__(self, root: Path, server: ChatServer, **settings: Any) -> None:
        self.entrants = load_from(root)
        self.matches = all_matches(self.entrants, 0)
        self.file = root / "ballots.jsonl"
        self.settings = LlmSettings(url=server.url, model="judge-1", **{"concurrency": 1, "retries": 2, **settings})

    def run(self, matches: list[Match] | None = None, **settings: Any) -> Tally:
        judge = LlmJudge(self.entrants, replace(self.settings, **settings))
        drawn = self.matches if matches is None else matches
        with BallotLedger(self.file) as ledger:
            play(judge, drawn, ledger)
            return tally(judge, drawn, ledger)

    def verdicts_for_others(self) -> dict[MatchKey, str]:
        """The verdicts that the agreement with another judge is taken from."""
        return verdicts(read_ballots(self.file), {match.key: match.rankings for match in self.matches})
