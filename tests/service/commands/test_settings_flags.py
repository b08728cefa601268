"""The flags that `rerank serve` makes from the settings, as its help shows them."""

import pytest
from click.testing import CliRunner

from service.commands.serve import serve


@pytest.mark.parametrize(
    "flag",
    [
        "--device [auto|cpu|cuda]",
        "--precision [auto|fp32|fp16|int8]",
        "--log-level [debug|info|warning|error]",
        "--access-log [true|false]",
        "--port N",
        "--api-keys LIST",
        "--api-keys-file PATH",
        "--models-dir PATH",
        "--host TEXT",
    ],
)
def test_help_shows_what_values_a_flag_takes(flag: str) -> None:
    """Choices and booleans are spelt out; other flags show the kind of their value."""
    assert flag in CliRunner().invoke(serve, ["--help"]).output
