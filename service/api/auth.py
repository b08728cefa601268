"""API keys: who may send requests. Keys come from a setting or from a file that is re-read when it changes.

The digest of a key is compared in constant time with all known ones, so timing reveals neither its length nor its first
characters. If a key file becomes unreadable or empty, the last valid keys stay in force and an error is logged: a key
rotation must neither open the server to everyone nor lock everyone out.
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from models.wording import counted
from service.errors import Unauthorized

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""A change of the file is noticed within this time."""
LEAST_SHARE, MOST_SHARE = 0.01, 100
"""Limits of a key's share, its fraction of a quantum per round: a tiny share would need very many rounds per pair."""
SCHEME = "bearer "
FILE: Final = "api_keys_file"
"""The setting that names the file of keys."""
SENDABLE = "use ASCII letters, digits and punctuation"
"""Advice for keys: headers are ASCII, and clients encode other characters in different ways."""


class ApiKeysError(Exception):
    """The keys are unusable: the file is unreadable or has none, or a key cannot be sent in a header."""

    def __init__(self, setting: Literal["api_keys", "api_keys_file"], message: str) -> None:
        super().__init__(message)
        self.setting = setting
        """The setting from which the keys come."""


class Caller(NamedTuple):
    """The caller of a request, as the queue sees it."""

    name: str
    """The start of the key's digest; empty if no key is required."""
    share: float
    """Weight of the key in the fair share of the queue, relative to other keys."""


ANYBODY = Caller("", 1.0)


class ApiKeys:
    """The keys in force; without any, requests need no key.

    Args:
        keys: keys from a setting.
        file: a file of further keys, one per line, each optionally followed by a space and its share of the queue
            (default 1); empty lines and lines that start with # are ignored.

    Raises:
        ApiKeysError: the file cannot be read or has no key, or a key cannot be sent in a header.
    """

    def __init__(self, keys: Sequence[str] = (), file: Path | None = None) -> None:
        if not all(map(_is_sendable, keys)):
            raise ApiKeysError("api_keys", f"an API key has characters that cannot be sent in a header: {SENDABLE}")
        self._given = {_digest(key): 1.0 for key in keys}
        self._file = file
        self._stamp = _stamp(file)
        self._of_file = {} if file is None else _read(file)
        self._looked = time.monotonic()

    @property
    def required(self) -> bool:
        """Whether requests need a key."""
        return bool(self._given or self._file)

    def check(self, authorization: str | None) -> Caller:
        """Identify the caller by an Authorization header (`Bearer KEY`, `bearer KEY` or `KEY`); raise Unauthorized."""
        if not self.required:
            return ANYBODY
        self._look_again()
        key = (authorization or "").strip()
        if key.lower().startswith(SCHEME):
            key = key[len(SCHEME) :].strip()
        if not key:
            raise Unauthorized("an API key is required: send it as Authorization: Bearer KEY")
        digest = _digest(key)
        known = self._given | self._of_file
        matches = [one for one in known if hmac.compare_digest(digest, one)]
        if not matches:
            raise Unauthorized("unknown API key")
        return Caller(matches[0].hex()[:8], known[matches[0]])

    def _look_again(self) -> None:
        """Re-read the file if it changed; check at most once in `LOOK_EVERY_S`."""
        now = time.monotonic()
        if self._file is None or now - self._looked < LOOK_EVERY_S:
            return
        self._looked = now
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._of_file = _read(self._file)
        except ApiKeysError as error:
            log.error("%s: keeping the previous keys", error)
        else:
            log.info("re-read %s from %s", counted(len(self._of_file), "API key"), self._file)


def _is_sendable(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def _stamp(file: Path | None) -> tuple[int, ...] | None:
    """Return a value that changes with the file, even if another file replaces it within a clock tick."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(file: Path) -> dict[bytes, float]:
    try:
        lines = file.read_text("utf-8-sig").split("\n")
    except OSError as error:
        raise ApiKeysError(FILE, f"the API key file {file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ApiKeysError(FILE, f"the API key file {file} cannot be read: it is not in UTF-8") from None
    keys = dict(
        _key_and_share(line, f"line {number} of the API key file {file}")
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.strip().startswith("#")
    )
    if not keys:
        raise ApiKeysError(FILE, f"the API key file {file} has no keys: write one per line")
    return keys


def _key_and_share(line: str, location: str) -> tuple[bytes, float]:
    key, _, share = line.strip().partition(" ")
    if not _is_sendable(key):
        raise ApiKeysError(FILE, f"{location} has a key with characters that cannot be sent in a header: {SENDABLE}")
    try:
        number = float(share or 1)
    except ValueError:
        number = 0.0
    if not LEAST_SHARE <= number <= MOST_SHARE:
        raise ApiKeysError(
            FILE, f"{location} has an invalid share: it must be a number from {LEAST_SHARE} to {MOST_SHARE}"
        )
    return _digest(key), number
