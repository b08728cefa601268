"""The arrows between the rooms, held by reading every import in the tree."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from models.artefact import Precision, PrecisionChoice
from models.devices import DEVICES, DeviceChoice

ROOT = Path(__file__).parent.parent
OURS = {"models", "service", "bench", "tools", "tests"}
MAY_IMPORT = {"models": {"models"}, "service": {"service", "models"}, "bench": {"bench"}}
ONLY_IN = {
    "onnxruntime": {"models/session.py"},
    "prometheus_client": {"service/api/metrics.py", "service/api/worker_metrics.py"},
    "uvicorn": {"service/commands/serve.py"},
    "locust": {"bench/locustfile.py"},
    "huggingface_hub": {"models/prepare/fetch.py"},
    "torch": {
        "models/prepare/attention.py",
        "models/prepare/export.py",
        "models/prepare/tables.py",
        "models/prepare/torch_model.py",
    },
}
"""Where an outside library may be known."""
LEAVES = {
    "models/artefact.py", "models/batching.py", "models/cpus.py", "models/devices.py", "models/lfs_pointer.py",
    "models/manifest_formats.py", "models/pair.py", "models/prepare/requirements.py", "models/wording.py",
    "service/errors.py", "service/job.py", "service/settings.py",
}  # fmt: skip
"""Files that know none of our others but leaves: the settings, say, take the names of devices from where they are."""
ENGINE_MAY_IMPORT = {"service.errors", "service.job"}
"""What the engine knows of the service beside itself."""
SERVING_NEEDS_NO = {"torch", "transformers", "onnx", "onnxscript", "safetensors", "huggingface_hub"}


def files(room: str) -> list[Path]:
    found = sorted((ROOT / room).rglob("*.py"))
    assert found, f"{room} has no files: the test looks in the wrong place"
    return found


def imports(path: Path) -> Iterator[str]:
    """Every absolute module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_its_arrows_allow(room: str) -> None:
    """service → models; models and bench know nothing else of ours. No room imports tools or tests."""
    for path in files(room):
        for module in imports(path):
            top = module.partition(".")[0]
            assert top not in OURS - MAY_IMPORT[room], f"{name(path)} imports {module}"


def test_tools_may_import_every_room_but_no_test() -> None:
    """A program runs where the tests are not, and what both need is tools'."""
    for path in files("tools"):
        tests = [module for module in imports(path) if module.partition(".")[0] == "tests"]
        assert tests == [], f"{name(path)} imports {tests}"


def test_a_library_is_known_in_one_place_only() -> None:
    """Changing the runtime, the metrics or the server touches one file."""
    for room in MAY_IMPORT:
        for path in files(room):
            for module in imports(path):
                allowed = ONLY_IN.get(module.partition(".")[0])
                assert allowed is None or name(path) in allowed, f"{name(path)} imports {module}"


def test_leaves_know_only_leaves() -> None:
    """A leaf can be read and tested without the rest of the tree."""
    for leaf in LEAVES:
        ours = {f"{m.replace('.', '/')}.py" for m in imports(ROOT / leaf) if m.partition(".")[0] in OURS}
        assert ours <= LEAVES, f"{leaf} imports {ours - LEAVES}"


def test_a_device_is_known_by_its_value_alone() -> None:
    """No file but the devices' own names a device or its provider: what differs between them stands in the value."""
    names = {device.name for device in DEVICES} | {device.provider for device in DEVICES}
    for room in ("models", "service"):
        for path in files(room):
            strings = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            known = {text for text in strings if isinstance(text, str) and text in names}
            assert name(path) in {"models/devices.py", "service/dialects/tei.py"} or not known, f"{name(path)}: {known}"


@pytest.mark.parametrize("words", [get_args(DeviceChoice), get_args(Precision), get_args(PrecisionChoice)])
def test_what_a_user_may_type_is_listed_once(words: tuple[str, ...]) -> None:
    """A Literal of the devices or of the precisions stands in one file; the others take it from there."""
    listed = []
    for room in ("models", "service"):
        for path in files(room):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal":
                    constants = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                    if len(constants) > 1 and set(constants) <= set(words):
                        listed.append(name(path))
    assert len(listed) <= 1, listed


def test_only_preparing_imports_what_preparing_needs() -> None:
    """A server image carries neither torch nor transformers."""
    for room in ("models", "service"):
        for path in files(room):
            if "models/prepare" not in name(path):
                tops = {module.partition(".")[0] for module in imports(path)}
                assert not tops & SERVING_NEEDS_NO, f"{name(path)} imports {tops & SERVING_NEEDS_NO}"


@pytest.mark.parametrize("module", ["service.commands.group", "models.prepare.verify"])
def test_serving_and_verifying_load_nothing_that_only_preparing_needs(module: str) -> None:
    """Every command but `prepare` works where torch, transformers, onnx and the hub's client are not installed."""
    code = f"import sys, {module}; print(*sorted({SERVING_NEEDS_NO!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == []


def test_models_knows_no_http_and_no_event_loop() -> None:
    """The in-process scorer works in a notebook."""
    for path in files("models"):
        tops = {module.partition(".")[0] for module in imports(path)}
        assert not tops & {"litestar", "uvicorn", "httpx", "asyncio", "anyio", "click"}, name(path)


def test_only_settings_read_the_environment() -> None:
    """One place in a room tells what the environment may change."""
    for room in MAY_IMPORT:
        for path in files(room):
            if name(path) not in {"service/settings.py", "bench/settings.py"}:
                text = path.read_text()
                for reading in ("os.environ", "getenv", "import environ"):
                    assert reading not in text.replace('os.environ.setdefault("ORT_', ""), name(path)


def test_only_app_and_the_commands_know_concrete_classes() -> None:
    """The batcher and the spine are handed what they use."""
    for path in files("service"):
        if name(path) != "service/api/app.py" and "commands" not in name(path):
            known = set(imports(path)) & {"models.session", "models.tokenise", "uvicorn"}
            assert not known, f"{name(path)} imports {known}"


def test_the_engine_knows_no_http_and_nothing_above_it() -> None:
    """A gateway, a notebook or a test can drive it: no framework, no dialect, no api and no settings."""
    for path in files("service/engine"):
        modules = set(imports(path))
        tops = {module.partition(".")[0] for module in modules}
        assert not tops & {"litestar", "uvicorn", "starlette", "httpx", "click"}, name(path)
        ours = {module for module in modules if module.startswith("service") and module not in ENGINE_MAY_IMPORT}
        assert all(module.startswith("service.engine") for module in ours), f"{name(path)} imports {ours}"


def test_a_dialect_knows_the_wire_and_the_job_only() -> None:
    """No queue, no model, no framework in a dialect: of ours the errors and the job, of others' libraries msgspec."""
    for path in files("service/dialects"):
        modules = {module for module in imports(path) if not module.startswith("service.dialects")}
        others = {module for module in modules if module.partition(".")[0] not in sys.stdlib_module_names}
        assert others <= {"service.errors", "service.job", "msgspec"}, f"{name(path)} imports {others}"


def test_no_test_module_is_imported_by_another() -> None:
    """What tests share stands in tests/support, so that a test file can be read, moved and run alone."""
    for room in ("tests", "tools"):
        for path in files(room):
            for module in imports(path):
                last = module.rpartition(".")[2]
                is_test = module.startswith("tests.") and (last == "conftest" or last.startswith("test_"))
                assert not is_test, f"{name(path)} imports {module}"


def test_files_stay_small() -> None:
    """A file that must be scrolled twice wants splitting."""
    for room in MAY_IMPORT:
        for path in files(room):
            assert len(path.read_text().splitlines()) <= 300, name(path)
