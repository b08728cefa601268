"""Where there is no Chromium: a user's run skips what needs it, CI's fails."""

from pathlib import Path

import pytest

from tests.support.browser import chromium


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def test_a_user_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names Debian's package."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Debian's package chromium"):
        chromium()


def test_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that mends it."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        chromium()
