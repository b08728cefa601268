"""Fixtures of the tests that export with torch."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.torch_threads import one_thread as one_thread

if TYPE_CHECKING:
    from tests.support.families import Case, Exported


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> "Callable[[Case], Exported]":
    """Exports a case, once a session: it takes seconds."""
    from models.prepare.export import export
    from models.prepare.torch_model import open_model, reference_logits
    from tests.support import families
    from tests.support.tiny_graphs import SILENT

    made: dict[Case, Exported] = {}

    def get(case: "Case") -> "Exported":
        if case not in made:
            folder = tmp_path_factory.mktemp("exported")
            model = open_model(families.make(folder, case.family))
            expected = reference_logits(model, families.pairs(), SILENT)
            (folder / "graph").mkdir()
            path = folder / "graph" / "model.onnx"
            batchable = export(model, path, masked=case.masked)
            made[case] = families.Exported(case, model, path, batchable, expected)
        return made[case]

    return get
