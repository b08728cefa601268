"""Downloading from a real server that breaks off, forgets ranges, changes the file or has none."""

import hashlib
import random
from pathlib import Path

import pytest

from bench.data.download import digests, download
from bench.errors import DataError
from tests.support.file_server import FileServer

BODY = random.Random(1).randbytes(3_000_000)


def _get(server: FileServer, tmp_path: Path, attempts: int = 1) -> Path:
    file = tmp_path / "down" / "a.zip"
    found = download(f"{server.url}/a.zip", file, attempts, wait_s=0)
    assert found.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found.md5 == hashlib.md5(file.read_bytes()).hexdigest()  # noqa: S324  # as publishers print it
    assert found.bytes == len(file.read_bytes())
    assert [path.name for path in file.parent.iterdir()] == ["a.zip"]
    return file


def test_interrupted_download_goes_on_where_it_broke(file_server: FileServer, tmp_path: Path) -> None:
    """A connection that ends in the middle is an error that keeps its bytes; the next call asks for the rest only."""
    file_server.files["/a.zip"] = BODY
    file_server.break_after = [1_200_000]
    with pytest.raises(DataError, match="1200000 bytes are kept, run the same command again to resume"):
        _get(file_server, tmp_path)
    assert _get(file_server, tmp_path).read_bytes() == BODY
    assert file_server.seen == [("/a.zip", None), ("/a.zip", "bytes=1200000-")]


def test_broken_connection_and_server_error_are_tried_again(file_server: FileServer, tmp_path: Path) -> None:
    """Within one call a break and a 503 cost an attempt each, and nothing is sent twice."""
    file_server.files["/a.zip"] = BODY
    file_server.break_after = [1_000_000]
    file_server.statuses = [200, 503]
    assert _get(file_server, tmp_path, attempts=3).read_bytes() == BODY
    assert [asked for _, asked in file_server.seen] == [None, "bytes=1000000-", "bytes=1000000-"]


def test_server_without_ranges_sends_it_whole(file_server: FileServer, tmp_path: Path) -> None:
    """An answer of 200 to a range replaces the beginning that was kept."""
    file_server.files["/a.zip"] = BODY
    file_server.ranges = False
    file_server.break_after = [500_000]
    assert _get(file_server, tmp_path, attempts=2).read_bytes() == BODY


def test_changed_file_is_not_joined_to_the_old_beginning(file_server: FileServer, tmp_path: Path) -> None:
    """If-Range: another file under the same address is fetched whole."""
    file_server.files["/a.zip"] = BODY
    file_server.break_after = [500_000]
    with pytest.raises(DataError):
        _get(file_server, tmp_path)
    file_server.files["/a.zip"], file_server.etag = BODY[::-1], '"2"'
    assert _get(file_server, tmp_path).read_bytes() == BODY[::-1]


def test_beginning_of_unknown_origin_is_not_kept(file_server: FileServer, tmp_path: Path) -> None:
    """Without an ETag or a date nothing says what a beginning belongs to: it is asked for whole."""
    file_server.files["/a.zip"], file_server.etag = BODY, ""
    file_server.break_after = [500_000]
    assert _get(file_server, tmp_path, attempts=2).read_bytes() == BODY
    assert [asked for _, asked in file_server.seen] == [None, None]


def test_file_that_became_shorter_is_begun_anew(file_server: FileServer, tmp_path: Path) -> None:
    """A 416 throws the kept beginning away."""
    file_server.files["/a.zip"] = BODY
    file_server.break_after = [500_000]
    with pytest.raises(DataError):
        _get(file_server, tmp_path)
    file_server.files["/a.zip"] = BODY[:1000]
    assert _get(file_server, tmp_path, attempts=2).read_bytes() == BODY[:1000]


def test_absent_file_is_told_at_once(file_server: FileServer, tmp_path: Path) -> None:
    """A 404 is not tried again, and the sentence names the mirror."""
    with pytest.raises(DataError, match=r"a\.zip returned status 404; use --mirror to download from a mirror"):
        _get(file_server, tmp_path, attempts=3)
    assert len(file_server.seen) == 1


def test_no_server_is_one_sentence(tmp_path: Path, no_one_there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens, and an address that is none."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DataError, match=r"downloading .* failed"):
        download(f"{no_one_there}/a.zip", tmp_path / "a.zip", attempts=1)
    with pytest.raises(DataError, match=r"downloading .* failed"):
        download("nonsense", tmp_path / "a.zip", attempts=1)


def test_file_that_is_there_is_not_asked_for(file_server: FileServer, tmp_path: Path) -> None:
    """What was downloaded whole before is only hashed."""
    (tmp_path / "a.zip").write_bytes(BODY)
    assert download(f"{file_server.url}/a.zip", tmp_path / "a.zip") == digests(tmp_path / "a.zip")
    assert file_server.seen == []
