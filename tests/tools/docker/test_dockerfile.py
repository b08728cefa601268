"""The Dockerfile as far as it can be judged without root and network; `steps.py` runs it for real."""

import re
import tomllib
from pathlib import Path

import pytest

from service.settings import settings_list
from tools.docker.dockerfile import Stage, lets_through, lineage, read, substitute
from tools.docker.steps import PROJECT, write_context

TEXT = (PROJECT / "Dockerfile").read_text()
STAGES = read(TEXT)
IGNORED = (PROJECT / ".dockerignore").read_text()
TARGETS = ["cpu", "gpu"]
PACKAGE_DATA = [
    "models/embedded/model.onnx",
    "models/embedded/tokenizer.json",
    "models/embedded/manifest.json",
    "models/embedded/README.md",
    *(f"service/api/pages/static/swagger-ui/{name}" for name in ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE")),
]


def chain(target: str) -> list[Stage]:
    return lineage(STAGES, target)


def last(target: str, name: str) -> str:
    return [step.text for stage in chain(target) for step in stage.all(name)][-1]


def environment(target: str) -> dict[str, str]:
    return {name: value for stage in chain(target) for step in stage.all("ENV") for name, value in step.pairs().items()}


def test_the_default_target_is_the_cpu_and_the_gpu_is_the_other() -> None:
    """`docker build .` takes the last stage, which is cpu; gpu is a stage too."""
    assert list(STAGES)[-1] == "cpu"
    assert "gpu" in STAGES


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_has_its_own_extra_and_nothing_of_the_build_but_the_venv(target: str) -> None:
    """Each target copies one venv, made by pip with the constraints and the target's own extra, not editable."""
    (copied,) = [step for stage in chain(target) for step in stage.all("COPY")]
    assert copied.text == "/opt/rerank /opt/rerank"
    runs = [step.text for stage in chain(copied.flags["from"]) for step in stage.all("RUN")]
    installs = [run for run in runs if " install " in run]
    assert installs[0].endswith(f"--constraint constraints.txt '.[{target}]'")
    assert installs[1].endswith("--no-deps --force-reinstall .")
    assert not any("--editable" in install or " -e " in install for install in installs)


def test_the_gpu_is_built_as_the_cpu_but_for_the_extra() -> None:
    """The builders' steps differ in the extra's name only: what `steps.py` shows of one holds for the other."""
    cpu, gpu = ([(s.name, s.flags, s.text) for s in STAGES[f"builder-{target}"].instructions] for target in TARGETS)
    assert gpu == [(name, flags, text.replace("[cpu]", "[gpu]")) for name, flags, text in cpu]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_numbered_user_that_is_not_root(target: str) -> None:
    """The last USER is a uid and gid in numbers, both over 0, and nothing is run as root after it."""
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last(target, "USER"))
    steps = [step.name for stage in chain(target) for step in stage.instructions]
    assert "RUN" not in steps[steps.index("USER") :]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_starts_rerank_itself_so_that_signals_reach_it(target: str) -> None:
    """ENTRYPOINT and CMD are exec forms: `rerank`, and `serve` where no other command is given."""
    assert last(target, "ENTRYPOINT") == '["rerank"]'
    assert last(target, "CMD") == '["serve"]'


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_checks_its_health_on_the_port_that_it_exposes(target: str) -> None:
    """HEALTHCHECK asks /health on RERANK_PORT, which is the exposed port, and leaves time to start."""
    (check,) = [step for stage in chain(target) for step in stage.all("HEALTHCHECK")]
    assert "start-period" in check.flags
    assert "RERANK_PORT" in check.text
    assert "/health" in check.text
    assert environment(target)["RERANK_PORT"] == last(target, "EXPOSE")


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_sets_only_settings_that_exist(target: str) -> None:
    """Every RERANK_* of ENV is a setting's variable: an unknown one would keep the server from starting."""
    ours = {name for name in environment(target) if name.startswith("RERANK_")}
    assert ours == {"RERANK_HOST", "RERANK_PORT", "RERANK_MODELS_DIR"}
    assert ours <= {setting.variable for setting in settings_list()}


def test_every_copied_source_exists_and_is_let_through() -> None:
    """What COPY takes from the working tree is there, and .dockerignore does not keep it back."""
    local = [step for stage in STAGES.values() for step in stage.all("COPY") if "from" not in step.flags]
    sources = {source for step in local for source in step.words()[:-1]}
    assert {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"} < sources
    for source in sources:
        assert (PROJECT / source).exists()
        assert lets_through(IGNORED, source)


def test_the_wheel_is_made_of_what_is_copied_and_holds_the_embedded_model() -> None:
    """Every package that hatchling ships is copied, whole, and so is the file data that serving needs."""
    wheel = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {source for step in STAGES["builder-cpu"].all("COPY") for source in step.words()[:-1]}
    assert set(wheel) == {"packages"}  # no include, exclude or only-include that could leave data out
    assert set(wheel["packages"]) == copied
    for path in PACKAGE_DATA:
        assert (PROJECT / path).is_file()
        assert lets_through(IGNORED, path)


def test_nothing_else_of_a_working_tree_is_sent_to_the_engine(tmp_path: Path) -> None:
    """Repository, environments, caches, tests and results stay outside the build."""
    kept = ["service/api/app.py", "models/embedded/model.onnx", "pyproject.toml"]
    left = [
        ".git/config", ".venv/bin/python", "tests/conftest.py", "results/a.json", "docs/a.md",
        "service/__pycache__/app.pyc", "models/a.pyc", "secrets.env",
    ]  # fmt: skip
    for path in kept + left:
        (tmp_path / "tree" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / path).touch()
    (tmp_path / "tree" / ".dockerignore").write_text(IGNORED)
    write_context(tmp_path / "tree", tmp_path / "context")
    context = tmp_path / "context"
    found = [path.relative_to(context).as_posix() for path in context.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(kept)


def test_no_address_and_no_frontend_is_fetched_by_the_file_itself() -> None:
    """No ADD, no URL, no `# syntax=` line: the base image and pip's own index are all that a build asks for."""
    assert "://" not in TEXT
    assert "syntax=" not in TEXT


@pytest.mark.parametrize(
    "wrong", ["FROM a AS b\nADD x y", "FROM a AS b\nSHELL x", "RUN before", "FROM a AS b\nARG name=value"]
)
def test_the_reader_refuses_what_the_steps_would_not_run(wrong: str) -> None:
    """An instruction that steps.py cannot carry out is an error, so that no step is skipped in silence."""
    with pytest.raises(ValueError, match=r"not supported|has a value"):
        read(wrong)


def test_the_reader_joins_lines_takes_flags_apart_and_substitutes() -> None:
    """Continuation lines, comments within them, `--flags` and `$NAME` are read as Docker reads them."""
    stages = read("ARG BASE=debian\nFROM ${BASE} AS one\nRUN --mount=type=cache,target=/c \\\n  # why\n  make \\\n  it")
    (run,) = stages["one"].instructions
    assert stages["one"].base == "debian"
    assert run.flags == {"mount": "type=cache,target=/c"}
    assert run.words() == ["make", "it"]
    assert substitute("/bin:$PATH${NONE}", {"PATH": "/usr/bin"}) == "/bin:/usr/bin"
