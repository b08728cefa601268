"""API keys: the three forms of the header, two sources, and a file that changes while the server runs."""

import hashlib
import hmac
import logging
import os
import time
from pathlib import Path

import pytest

from service.api import auth
from service.api.auth import ApiKeys, ApiKeysError
from service.errors import Unauthorized


def knows(keys: ApiKeys, authorization: str | None) -> bool:
    try:
        keys.check(authorization)
    except Unauthorized:
        return False
    return True


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A key file that is looked at on every check."""
    monkeypatch.setattr(auth, "LOOK_EVERY_S", 0)
    path = tmp_path / "keys"
    path.write_text("# the team's\n\n  one  \n  # indented\ntwo\n")
    return path


def test_without_keys_everybody_may_ask() -> None:
    """With or without a header."""
    assert not ApiKeys().required
    assert knows(ApiKeys(), None)
    assert knows(ApiKeys(), "Bearer whatever")


@pytest.mark.parametrize("header", ["Bearer one", "bearer one", "BEARER  one ", "one", " one"])
def test_a_key_is_taken_in_each_form(header: str) -> None:
    """OpenAI's, LiteLLM's lower case, and LlamaIndex's bare value."""
    assert knows(ApiKeys(["zero", "one"]), header)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Bearer on", "Bearer onee", "Bearer ONE", "Basic one"]
)
def test_anything_else_is_refused(header: str | None) -> None:
    """No prefix of a key, no other case, no other scheme."""
    assert not knows(ApiKeys(["one"]), header)


def test_what_is_missing_is_told_apart_from_what_is_wrong() -> None:
    """And neither message repeats a key."""
    with pytest.raises(Unauthorized, match="an API key is required"):
        ApiKeys(["one"]).check(None)
    with pytest.raises(Unauthorized, match="unknown API key") as wrong:
        ApiKeys(["one"]).check("Bearer secret")
    assert "secret" not in str(wrong.value)


def test_a_header_that_is_not_utf8_is_refused() -> None:
    """Half a surrogate pair, as a latin-1 header may decode to, raises nothing else."""
    assert not knows(ApiKeys(["one"]), "Bearer \udc80")


def test_both_sources_count(file: Path) -> None:
    """Comments and empty lines of the file are no keys."""
    keys = ApiKeys(["zero"], file)
    assert [knows(keys, key) for key in ("zero", "one", "two", "# indented", "")] == [True, True, True, False, False]


def test_a_changed_file_is_read_again(file: Path) -> None:
    """A new key is taken, an old one is not, without a restart."""
    keys = ApiKeys(file=file)
    file.write_text("three\n")
    assert [knows(keys, key) for key in ("one", "three")] == [False, True]


def test_a_change_is_noticed_within_a_second_and_not_looked_for_more_often(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the README says; a request in between costs no look at the disk."""
    monkeypatch.undo()
    looked = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: looked)
    keys = ApiKeys(file=file)
    file.write_text("three\n")
    looked = 100.9
    assert [knows(keys, key) for key in ("one", "three")] == [True, False]
    looked = 101.0
    assert [knows(keys, key) for key in ("one", "three")] == [False, True]


def test_a_file_that_another_replaced_within_a_tick_is_read_again(file: Path) -> None:
    """Same size, same time: another file all the same."""
    keys = ApiKeys(file=file)
    stat, other = file.stat(), file.with_name("other")
    other.write_text(file.read_text().replace("one", "six"))
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)
    assert [knows(keys, key) for key in ("one", "six")] == [False, True]


@pytest.mark.parametrize("content", [None, b"", b"# nothing\n", b"\xff\xfe"])
def test_a_broken_file_leaves_the_last_keys_in_force(
    file: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither opened nor shut: the log tells, once, and a mended file is read."""
    keys = ApiKeys(file=file)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert [knows(keys, key) for key in ("one", "four", None)] == [True, False, False]
    assert len([record for record in caplog.records if "keeping the previous keys" in record.message]) == 1
    file.write_text("four\n")
    assert [knows(keys, key) for key in ("one", "four")] == [False, True]


@pytest.mark.parametrize(("content", "word"), [(None, "cannot be read"), (b"\n#\n", "has no keys")])
def test_a_file_without_keys_does_not_start(tmp_path: Path, content: bytes | None, word: str) -> None:
    """A server that was to have keys must not run without."""
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ApiKeysError, match=word):
        ApiKeys(file=path)


def test_a_byte_order_mark_is_no_part_of_a_key(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "keys"
    path.write_bytes(b"\xef\xbb\xbfone\n")
    assert knows(ApiKeys(file=path), "Bearer one")


@pytest.mark.parametrize("key", ["schlüssel", "tab\tbed"])
def test_a_key_that_no_client_can_send_does_not_start(tmp_path: Path, key: str) -> None:
    """From both sources, without repeating it."""
    path = tmp_path / "keys"
    path.write_text(key)
    with pytest.raises(ApiKeysError, match="cannot be sent in a header") as told:
        ApiKeys([key])
    with pytest.raises(ApiKeysError, match="cannot be sent in a header") as told_of_file:
        ApiKeys(file=path)
    assert key not in str(told.value) + str(told_of_file.value)


def test_a_key_of_the_file_may_have_a_share_of_the_queue(tmp_path: Path) -> None:
    """After a space; 1 without. A caller is known by a part of his key's digest, never by the key."""
    path = tmp_path / "keys"
    path.write_text("one\ntwo 2.5\n")
    keys = ApiKeys(["zero"], path)
    callers = [keys.check(key) for key in ("zero", "one", "Bearer two")]
    assert [caller.share for caller in callers] == [1, 1, 2.5]
    assert len({caller.name for caller in callers}) == 3
    assert callers[1].name == hashlib.sha256(b"one").hexdigest()[:8]
    assert ApiKeys().check(None).name == ""


@pytest.mark.parametrize(
    "line", ["key 0", "key -1", "key much", "key inf", "key nan", "key 1 2", "key 1e-9", "key 101"]
)
def test_a_share_that_is_none_does_not_start(tmp_path: Path, line: str) -> None:
    """Numbers that turns can be counted by, only."""
    path = tmp_path / "keys"
    path.write_text(f"first\n# a comment\n{line}\n")
    with pytest.raises(ApiKeysError, match=r"line 3 .* has an invalid share: it must be a number from 0\.01 to 100"):
        ApiKeys(file=path)


def test_every_known_key_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """In constant time and to the end, wherever a match stands."""
    seen: list[int] = []
    true = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        seen.append(len(one))
        return bool(true(one, other))

    monkeypatch.setattr(hmac, "compare_digest", counted)
    keys = ApiKeys(["one", "two", "three"])
    for key in ("one", "three", "none"):
        knows(keys, key)
    assert seen == [32] * 9
