"""The toy field before an LLM judge: what most tests of that judge begin with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.arena.judges.llm import LlmJudge, LlmSettings
from bench.arena.ledger import Ledger, read_ballots
from bench.arena.matches import Key, Match, all_matches
from bench.arena.tournament import Tally, hold, tally, verdicts
from tests.support.arena.chat_server import ChatServer
from tests.support.arena.results import load_from


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
