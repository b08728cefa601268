"""What an installation without an extra says: a sentence, not a trace."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("module", "absent", "words"),
    [
        ("service.cli", "onnxruntime", "pip install -e '.[cpu]'"),
        ("bench.entry", "ir_measures", "pip install -e '.[bench]'"),
    ],
)
def test_a_missing_extra_is_named(module: str, absent: str, words: str) -> None:
    """The import of what the extra brings fails as it would where it is not installed."""
    code = f"import sys; sys.modules[{absent!r}] = None; sys.argv = ['x', '--help']; import {module} as m; m.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
