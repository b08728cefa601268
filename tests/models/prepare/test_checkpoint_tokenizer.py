"""A checkpoint's tokenizer is opened with transformers, and a file that stands in the way is named."""

from pathlib import Path

import pytest

from models.prepare.checkpoint_tokenizer import open_tokenizer
from models.prepare.errors import PrepareError
from tests.support.checkpoint_tokenizers import wordpiece, write


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("special_tokens_map.json", '["x"]', "special_tokens_map.json is not a JSON object"),
        ("added_tokens.json", '["x"]', "added_tokens.json is not a JSON object"),
        (
            "added_tokens.json",
            '{"zebra": "70"}',
            "gives the token 'zebra' the id '70', which is no id",
        ),
    ],
)
def test_a_damaged_file_beside_the_tokenizer_is_named(tmp_path: Path, name: str, content: str, cause: str) -> None:
    """Not the class that stumbled over it."""
    folder = write(tmp_path / "checkpoint", wordpiece(), {"tokenizer_class": "BertTokenizer"})
    (folder / name).write_text(content)
    with pytest.raises(PrepareError, match=cause):
        open_tokenizer(folder)
