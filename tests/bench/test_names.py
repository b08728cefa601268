"""File names of names in any script: one for each, readable, and what an earlier version wrote is found."""

import itertools
import unicodedata
from pathlib import Path

import pytest

from bench.names import LONGEST, file_name, folded_name, own_path, page_name

NAMES = [
    *("bge", "BGE", "Bge", "a-b", "a/b", "a b", "a--b", "a_b", "a.b", "a-b-", "-a-b", ".a-b", "a/x", "b/x", "x"),
    *("", ".", "..", "...", "-", "_", "~", "../../etc", "/etc", "con", "NUL", "com1.txt", "nul.", "a.", "a..", "a "),
    *(
        "北京",
        "上海",
        "北京v2",
        "v2",
        "Москва",
        "Киев",
        "القاهرة",
        "دمشق",
        "می‌شود",
        "میشود",
        "हिन्दी",
        "日本語",
        "日本",
        "🦙",
        "🐫",
    ),
    *(
        "café",
        unicodedata.normalize("NFD", "café"),
        "cafe",
        "Å",
        "\u212b",
        "ß",
        "ss",
        "ı",
        "i",
        "İ",
        "Ω",
        "ω",
        "\u2126",
    ),
    *(
        "x" * 500,
        "x" * 501,
        "界" * 300,
        "界" * 301,
        "a\nb",
        "a\tb",
        "a\0b",
        "\udce9",
        "a~b",
        file_name("a/b"),
        "candidates",
    ),
]


def test_no_two_names_share_a_file() -> None:
    """Scripts, separators, dots, devices, lengths, Unicode forms, and a name that looks like another's file."""
    assert len(set(NAMES)) == len(NAMES)
    files = [file_name(name) for name in NAMES]
    assert len(set(files)) == len(files)


def test_only_plain_names_that_differ_in_case_can_meet_where_case_does_not_count() -> None:
    """Nor do Unicode forms meet, as on a Mac; the plain ones are told apart by what is in their files."""
    shared: dict[str, set[str]] = {}
    for name in NAMES:
        shared.setdefault(unicodedata.normalize("NFD", file_name(name)).casefold(), set()).add(name)
    assert [names for names in shared.values() if len(names) > 1] == [{"bge", "BGE", "Bge"}]
    pages = {unicodedata.normalize("NFD", page_name(name)).casefold() for name in NAMES}
    assert len(pages) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_system_takes_it(name: str, tmp_path: Path) -> None:
    """Visible, in its folder, not too long with an ending and a lock, and not a device of Windows."""
    for made in (file_name(name), page_name(name)):
        path = tmp_path / f".{made}.parquet.partial.lock"
        path.touch()
        assert path.parent == tmp_path
        assert len(made.encode()) <= LONGEST
        assert made[0] not in ".-~"
        assert made[-1] not in ". "
        assert made.partition(".")[0].lower() not in {"con", "nul", "com1"}


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("a.b_c-D1", "a.b_c-D1"),
        ("cohere-rerank-v3.5", "cohere-rerank-v3.5"),
        ("北京", "北京~"),
        ("BAAI/bge-reranker", "BAAI-bge-reranker~"),
        ("हिन्दी मॉडल", "हिन्दी-मॉडल~"),
        ("../../etc", "etc~"),
    ],
)
def test_a_reader_recognises_the_name(name: str, readable: str) -> None:
    """A plain name is its own file; of any other the letters stand before the hash."""
    assert file_name(name).startswith(readable)
    assert (file_name(name) == name) == ("~" not in readable)


def test_pages_of_two_names_are_apart() -> None:
    """`a` with `b--c` is not `a--b` with `c`."""
    names = ["a", "b", "c", "a--b", "b--c", "a-", "-b", "A", "北京"]
    pages = [page_name(*pair) for pair in itertools.permutations(names, 2)]
    assert len({page.casefold() for page in pages}) == len(pages)
    assert page_name("a", "b") == "a--b"


def _owner(path: Path, name: str) -> bool | None:
    text = path.read_text(encoding="utf-8")
    return text == name if text else None


def test_a_file_is_found_by_its_owner(tmp_path: Path) -> None:
    """Its own file; one that an earlier version folded, if it is its own; never one that is another's."""

    def path(name: str) -> Path:
        return own_path(tmp_path, name, ".json", lambda file: _owner(file, name))

    earlier = tmp_path / f"{folded_name('a/b')}.json"
    earlier.write_text("a/b")
    assert earlier.name == "a-b.json"
    assert path("a/b") == earlier
    assert path("a b").name == f"{file_name('a b')}.json"
    assert path("a-b").name.startswith("a-b~")  # a plain name whose file is another's
    assert len({path(name) for name in ("a/b", "a b", "a-b")}) == 3
    path("a-b").write_text("a-b")
    earlier.unlink()
    assert path("a-b").name.startswith("a-b~")  # its results stay where they are
    (tmp_path / "damaged.json").touch()
    assert path("damaged").name == "damaged.json"  # whoever reads it says what is wrong with it
