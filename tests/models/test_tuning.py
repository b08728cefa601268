"""What a batch may be, measured: the right choice from known times, kept, and measured anew where it must be."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import tuning
from models.batching import NO_BATCHING, DeviceOutOfMemory
from models.devices import CPU
from models.pair import Logits, Pair
from models.session import Session
from tests.support.tiny import make_artefact

TUNED = replace(CPU, tuned=True, max_batch_tokens=64)
PAIR = Pair(np.array([2, 5, 3]), np.zeros(3, np.int64))


class TimedDevice:
    """Takes a known time for a run: so much for itself and so much for a token, and no less than a floor."""

    def __init__(self, *, run_s: float, token_s: float, floor_s: float = 0.0, room: int = 10**9) -> None:
        self.now = 0.0
        self._run_s, self._token_s, self._floor_s, self._room = run_s, token_s, floor_s, room

    def run(self, batch: Sequence[Pair]) -> Logits:
        tokens = sum(map(len, batch))
        if tokens > self._room:
            raise DeviceOutOfMemory("full")
        self.now += max(self._floor_s, self._run_s + self._token_s * tokens)
        return np.zeros(len(batch), np.float32)

    def measure(self) -> dict[int, float]:
        return tuning.measure(self.run, clock=lambda: self.now)


def test_the_cost_of_a_run_is_found_in_tokens() -> None:
    """Times that are a line: 2 ms a run and 4 µs a token make a run worth 500 tokens."""
    budget, cost = tuning.choose(TimedDevice(run_s=0.002, token_s=4e-6).measure())
    assert cost == 500
    assert budget == 16_384  # 16384 / (16384 + 500) is .97 of all that there is, 8192 / 8692 is .94


@pytest.mark.parametrize(("floor_s", "budget"), [(0.0, 1024), (0.016, 4096), (0.032, 8192)])
def test_the_budget_is_the_smallest_that_fills_the_device(floor_s: float, budget: int) -> None:
    """A larger one would only make others wait."""
    assert tuning.choose(TimedDevice(run_s=0, token_s=4e-6, floor_s=floor_s).measure())[0] == budget


def test_what_does_not_fit_is_not_chosen() -> None:
    """Where the memory ends, the measuring ends."""
    seconds = TimedDevice(run_s=0.002, token_s=4e-6, room=5000).measure()
    assert sorted(seconds) == [1024, 2048, 4096]
    assert tuning.choose(seconds)[0] == 4096


def test_it_is_measured_once_and_kept_beside_the_artefact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a true session: the second start reads what the first one wrote; other hardware measures anew."""
    measure, measured = tuning.measure, []

    def counted(run: Callable[[Sequence[Pair]], Logits], *, length: int) -> dict[int, float]:
        measured.append(length)
        return measure(run, [256, 512], length=length)

    monkeypatch.setattr(tuning, "measure", counted)
    artefact = make_artefact(tmp_path)
    for hardware, times in (("a GPU", 1), ("a GPU", 1), ("another GPU", 2)):
        session = Session(artefact, replace(TUNED, hardware_name=functools.partial(str, hardware)))
        session.warm_up(PAIR)
        kept = tuning.read(tmp_path)
        assert kept is not None
        assert (session.max_batch_tokens, session.run_cost_tokens) == (kept.max_batch_tokens, kept.run_cost_tokens)
        assert (kept.device, measured) == (hardware, [32] * times), "pairs that fit the window, which has 32 tokens"
        assert kept.max_batch_tokens in {256, 512}


def test_a_budget_that_the_user_sets_is_not_tuned(tmp_path: Path) -> None:
    """Nor is one on a device that has none, nor that of a model whose pairs run one at a time: nothing is written."""
    batchable, single = make_artefact(tmp_path / "a"), make_artefact(tmp_path / "b", batchable=False)
    for session, budget in (
        (Session(batchable, TUNED, max_batch_tokens=128), 128),
        (Session(batchable, CPU), NO_BATCHING),
        (Session(single, TUNED), NO_BATCHING),
    ):
        session.warm_up(PAIR)
        assert session.max_batch_tokens == budget
    assert tuning.read(tmp_path / "a") is tuning.read(tmp_path / "b") is None


@pytest.mark.parametrize("changed", ["device", "runtime", "graph_sha256"])
def test_what_was_measured_on_something_else_does_not_hold(changed: str) -> None:
    """Another card, another ONNX Runtime, another graph."""
    known = {"device": "d", "runtime": "r", "graph_sha256": "s"}
    kept = tuning.Tuning(**known, seconds={1: 1.0}, max_batch_tokens=1, run_cost_tokens=1)
    assert kept.is_of(**known)
    assert not kept.is_of(**known | {changed: "x"})


@pytest.mark.parametrize(("budget", "cost"), [(0, 1), (-5, 1), (1, -1)])
def test_numbers_that_no_batch_can_have_are_not_read(tmp_path: Path, budget: int, cost: int) -> None:
    """With a budget below nothing no batch would ever be begun."""
    tuning.write(tuning.Tuning("d", "r", "s", {1: 1.0}, 1, 1), tmp_path)
    assert tuning.read(tmp_path) == tuning.Tuning("d", "r", "s", {1: 1.0}, 1, 1)
    tuning.write(tuning.Tuning("d", "r", "s", {1: 1.0}, budget, cost), tmp_path)
    assert tuning.read(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == [tuning.FILE]


def test_times_that_fall_make_a_run_cost_nothing() -> None:
    """A noisy machine may measure a large batch as faster than a small one."""
    assert tuning.choose({1024: 0.010, 2048: 0.009, 4096: 0.008}) == (4096, 0)
    assert tuning.choose({1024: 0.001, 2048: 0.004}) == (1024, 0)


def test_the_first_run_of_a_size_is_not_timed() -> None:
    """It allocates."""
    device = TimedDevice(run_s=1.0, token_s=0)
    seen: set[int] = set()

    def run(batch: Sequence[Pair]) -> Logits:
        if len(batch) not in seen:
            seen.add(len(batch))
            device.now += 100
        return device.run(batch)

    assert set(tuning.measure(run, clock=lambda: device.now).values()) == {1.0}
    assert len(seen) == len(tuning.SIZES)


def test_a_folder_that_cannot_be_written_costs_only_the_measuring(tmp_path: Path) -> None:
    """As in a container whose models are mounted read-only."""
    tuning.write(tuning.Tuning("d", "r", "s", {1: 1.0}, 1, 1), tmp_path / "absent")
    assert tuning.read(tmp_path / "absent") is None
    (tmp_path / tuning.FILE).write_text("{")
    assert tuning.read(tmp_path) is None
