"""What ships: the wheel's and the sdist's files, and both commands installed from the wheel, far from the checkout."""

import contextlib
import json
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.server import Server, clean_environ
from tests.support.texts import PASSAGES, QUERY

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PACKAGES = ("service", "models", "bench")
NEEDED = {
    "models/embedded/model.onnx", "models/embedded/tokenizer.json", "models/embedded/manifest.json",
    "models/embedded/parity.json", "models/prepare/pairs.jsonl",
    "service/api/pages/static/playground/index.html", "service/api/pages/static/swagger-ui/swagger-ui-bundle.js",
    "bench/sample/corpus.jsonl", "bench/sample/queries.jsonl", "bench/sample/qrels/test.tsv",
    "bench/published/published.json", "bench/report/templates/base.html", "bench/report/static/report.css",
    "bench/arena/judges/page_files/vote.html", "bench/locustfile.py",
}  # fmt: skip


class Installed(NamedTuple):
    """A new environment that has the project from its wheel, and an empty folder to work in."""

    venv: Path
    work: Path

    def run(self, program: str, *arguments: str, stdin: str = "") -> str:
        """What a program of the environment prints; fails with its message unless it ends with 0."""
        done = subprocess.run(
            [self.venv / "bin" / program, *arguments],
            cwd=self.work, env=clean_environ(), input=stdin, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


def build(target: str, folder: Path) -> Path:
    """Build the wheel or the sdist as pip does, by the backend that pyproject.toml names."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a new environment. The dependencies are this environment's own: a .pth line names their folder, in
    which no .pth file is read, so that the checkout's editable installation is out of sight."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--no-compile", "--disable-pip-version-check", str(wheel)], check=True, timeout=60)
    own = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (own / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return Installed(folder, tmp_path_factory.mktemp("empty"))


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Every file of the three packages but caches: no results, no tests, no tools, no measuring programs."""
    tree = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts}  # fmt: skip
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == tree
    assert names >= NEEDED
    assert not {part for name in names for part in name.split("/")} & {"results", "tests", "tools", "__pycache__"}
    assert wheel.stat().st_size < 25_000_000


def test_the_sdist_holds_what_building_and_testing_need(tmp_path: Path) -> None:
    """The sources, the tests and what they read; no results, no continuous integration, nothing that was built."""
    with tarfile.open(build("sdist", tmp_path)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= NEEDED | {"README.md", "LICENSE", "tests/test_wheel.py", "tools/embedded/build.py"}
    assert {name.partition("/")[0] for name in names} == {
        *PACKAGES, "tests", "tools", "docs", "pyproject.toml", "constraints.txt", "Makefile", "Dockerfile",
        ".dockerignore", ".gitignore", "README.md", "CHANGELOG.md", "LICENSE", "PKG-INFO",
    }  # fmt: skip


def test_an_installation_is_the_wheels_and_not_the_checkouts(installed: Installed) -> None:
    """Or the other tests here would prove nothing; neither tools nor tests can be imported."""
    code = "import service, models, bench; print(service.__file__, models.__file__, bench.__file__, sep='\\n')"
    files = installed.run("python", "-c", code).splitlines()
    assert len(files) == 3
    assert all(Path(file).is_relative_to(installed.venv) for file in files), files
    code = "from importlib.util import find_spec as f; print(f('tools'), f('tests'))"
    assert installed.run("python", "-c", code).split() == ["None", "None"]


def test_rerank_scores_where_only_the_wheel_is(installed: Installed) -> None:
    """`--help`, and the embedded model's score of a text."""
    assert "serve" in installed.run("rerank", "--help")
    scored = installed.run("rerank", "score", "--query", QUERY, stdin="".join(json.dumps(t) + "\n" for t in PASSAGES))
    scores = [json.loads(line)["score"] for line in scored.splitlines()]
    assert len(scores) == len(PASSAGES)
    assert all(0 < score < 1 for score in scores)


def test_rerank_bench_measures_a_server_where_only_the_wheel_is(installed: Installed) -> None:
    """The server answers with its pages; the bench finds its sample, its templates and its published figures."""
    assert "accuracy" in installed.run("rerank-bench", "--help").lower()
    with contextlib.chdir(installed.work), Server(rerank=installed.venv / "bin" / "rerank") as server:
        answer = server.rerank(QUERY, PASSAGES)
        assert answer.status_code == 200
        assert len(answer.json()["results"]) == len(PASSAGES)
        assert server.client.get("/").status_code == server.client.get("/docs").status_code == 200
        assert "nDCG@10" in installed.run("rerank-bench", "run", "--url", server.url, "--data", "sample")
    installed.run("rerank-bench", "report")
    assert (installed.work / "bench-report" / "index.html").is_file()


def test_rerank_bench_finds_the_files_of_its_parts(installed: Installed) -> None:
    """Each module looks in the installation for what it reads, and finds it there."""
    code = """
from bench.arena.judges.page import FOLDER
from bench.data.datasets import SAMPLE
from bench.published.published import SHIPPED
from bench.report.site import STATIC
for path in (FOLDER / "vote.html", SAMPLE / "corpus.jsonl", SHIPPED, STATIC / "report.css"):
    print(path, path.is_file())
"""
    for line in installed.run("python", "-c", code).splitlines():
        path, found = line.rsplit(" ", 1)
        assert Path(path).is_relative_to(installed.venv)
        assert found == "True", path
