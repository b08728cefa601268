"""Without torch these tests cannot even be imported; `make test-prepare` installs it."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.families import Case, Exported

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Models this small run slower on several threads, by far where others want the CPUs too."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[Case], Exported]":
    """Exports a case, once a session: it takes seconds."""
    from models.prepare.export import export
    from models.prepare.torch_model import open_model, reference
    from tests.support import families
    from tests.support.tiny_graphs import SILENT

    made: dict[Case, Exported] = {}

    def get(case: "Case") -> "Exported":
        if case not in made:
            folder = tmp_path_factory.mktemp("exported")
            model = open_model(families.make(folder, case.family))
            expected = reference(model, families.pairs(), SILENT)
            (folder / "graph").mkdir()
            path = folder / "graph" / "model.onnx"
            batchable = export(model, path, masked=case.masked)
            made[case] = families.Exported(case, model, path, batchable, expected)
        return made[case]

    return get
