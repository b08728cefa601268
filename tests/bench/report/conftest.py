"""The site of a small results folder, made once."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.cli import main
from tests.support.report_results import write_results


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def site(results: Path) -> Path:
    out = results.parent / "site"
    made = CliRunner().invoke(main, ["report", "--results", str(results), "--out", str(out)])
    assert made.exit_code == 0, made.output
    assert made.stdout.strip() == str(out / "index.html")
    return out
