"""What `make serve` would install and run: make prints its commands without running them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.markdown import ROOT
from tests.support.tiny import make_artefact


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without an environment, as `git clone` leaves it."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def commands(checkout: Path, *words: str, **environ: str) -> tuple[set[str], str]:
    """The sets of packages that `make serve` would install, and its last command."""
    foreign = {
        "MODEL",
        "PORT",
        "ARGS",
        "RERANK_MODELS_DIR",
        "MAKEFLAGS",
        "MFLAGS",
        "MAKELEVEL",
    }
    clean = {name: value for name, value in os.environ.items() if name not in foreign}
    environ = {"RERANK_MODELS_DIR": str(checkout / "none")} | environ
    done = subprocess.run(
        ["make", "--dry-run", "serve", *words],
        cwd=checkout,
        env=clean | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    extras = [line.partition("--editable '.[")[2].partition("]")[0] for line in lines if "--editable" in line]
    return {word for extra in extras for word in extra.split(",")} - {"cpu", "gpu"}, lines[-1]


@pytest.mark.parametrize("words", [(), ("MODEL=embedded",), ("PORT=8080",), ('ARGS="--port 8080"',)], ids=str)
def test_the_embedded_model_is_served_without_what_preparing_needs(checkout: Path, words: tuple[str, ...]) -> None:
    """No torch, and no model that would have to be fetched."""
    extras, command = commands(checkout, *words)
    assert extras == set()
    assert "rerank serve" in command
    assert "bge" not in command
    assert ("8080" in command) == any("8080" in word for word in words)


@pytest.mark.parametrize("model", ["bge-reranker-v2-m3", "acme/own", "./my checkpoint", "~/checkpoint"])
def test_a_model_is_served_with_what_preparing_it_needs(checkout: Path, model: str) -> None:
    """From the command line or the environment; the port and further flags go with it."""
    extras, command = commands(checkout, f"MODEL={model}", "PORT=8080", 'ARGS=--precision "fp32"')
    assert extras == {"prepare"}
    assert command.split("rerank ")[1] == f'serve --model "{model}" --port "8080" --precision "fp32"'
    assert commands(checkout, MODEL=model, PORT="8080", ARGS='--precision "fp32"') == (extras, command)


def test_a_model_that_is_prepared_needs_nothing_else(checkout: Path, tmp_path: Path) -> None:
    """An artefact was copied onto this machine: by its path, by its name and by its hub id."""
    models = tmp_path / "models"
    make_artefact(models / "acme--own" / "fp32")
    for model in (models / "acme--own", models / "acme--own" / "fp32", "acme/own", "acme--own"):
        assert commands(checkout, f"MODEL={model}", RERANK_MODELS_DIR=str(models))[0] == set()
    assert commands(checkout, "MODEL=acme/other", RERANK_MODELS_DIR=str(models))[0] == {"prepare"}


def test_preparing_keeps_its_default_model(checkout: Path) -> None:
    """`make prepare` alone is for the model that the server is built for."""
    done = subprocess.run(["make", "-n", "prepare"], cwd=checkout, capture_output=True, text=True, check=True)
    assert 'models prepare "bge-reranker-v2-m3"' in done.stdout
