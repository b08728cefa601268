"""API keys: who may ask what. Keys come from a setting or from a file that is read again when it changes.

A key is compared in constant time with every known one, by digest, so that neither its length nor its first characters
can be found out by the clock. A key file that becomes unreadable or empty leaves the last good keys in force, with an
error in the log: rotating keys must never open a server or shut everybody out.
"""

import hashlib
import hmac
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from service.errors import Unauthorized

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
"""A changed file is noticed within this time."""
LEAST_SHARE, MOST_SHARE = 0.01, 100
"""Each turn gives a key its share of a quantum: with less, turns would be counted for seconds before one is had."""
SCHEME = "bearer "
SENDABLE = "use ASCII letters, digits and signs"
"""Headers are ASCII; clients encode the rest in different ways."""


class ApiKeysError(Exception):
    """Keys that cannot be: a file that has none or cannot be read, or a key that cannot be sent."""


class Caller(NamedTuple):
    """Who asks, as the queue knows him."""

    name: str
    """The start of the key's digest; empty where no key is needed."""
    share: float
    """Of the turns in the queue, against other keys' shares."""


ANYBODY = Caller("", 1.0)


class ApiKeys:
    """The keys in force; without any, everybody may ask.

    Args:
        keys: keys given by a setting.
        file: a file of more keys, one a line, each perhaps with its share of the queue after a space (1 without);
            empty lines and lines that start with # are none.

    Raises:
        ApiKeysError: the file cannot be read or has no key in it, or a key cannot be sent in a header.
    """

    def __init__(self, keys: Sequence[str] = (), file: Path | None = None) -> None:
        if not all(map(_is_sendable, keys)):
            raise ApiKeysError(f"an API key has characters that no client can send: {SENDABLE}")
        self._given = {_digest(key): 1.0 for key in keys}
        self._file = file
        self._stamp = _stamp(file)
        self._of_file = {} if file is None else _read(file)
        self._looked = time.monotonic()

    @property
    def required(self) -> bool:
        """Is a key needed at all?"""
        return bool(self._given or self._file)

    def check(self, authorization: str | None) -> Caller:
        """Tell whose key an Authorization header carries (`Bearer KEY`, `bearer KEY` or `KEY`); raise Unauthorized."""
        if not self.required:
            return ANYBODY
        self._look_again()
        key = (authorization or "").strip()
        if key.lower().startswith(SCHEME):
            key = key[len(SCHEME) :].strip()
        if not key:
            raise Unauthorized("an API key is needed: send it as Authorization: Bearer KEY")
        digest = _digest(key)
        known = self._given | self._of_file
        matches = [one for one in known if hmac.compare_digest(digest, one)]
        if not matches:
            raise Unauthorized("this API key is not known here")
        return Caller(matches[0].hex()[:8], known[matches[0]])

    def _look_again(self) -> None:
        """Read the file again if it changed, at most once in `LOOK_EVERY_S`."""
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
            log.error("%s: the keys that were read before stay in force", error)
        else:
            log.info("%d API keys read again from %s", len(self._of_file), self._file)


def _is_sendable(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def _stamp(file: Path | None) -> tuple[int, ...] | None:
    """What tells that a file changed: also when another one took its place within a clock tick."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(file: Path) -> dict[bytes, float]:
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ApiKeysError(f"the API key file {file} cannot be read: {error}") from None
    keys = dict(_key_and_share(line, file) for line in lines if line.strip() and not line.strip().startswith("#"))
    if not keys:
        raise ApiKeysError(f"the API key file {file} has no key in it: write one on a line")
    return keys


def _key_and_share(line: str, file: Path) -> tuple[bytes, float]:
    key, _, share = line.strip().partition(" ")
    if not _is_sendable(key):
        raise ApiKeysError(f"the API key file {file} has a key with characters that no client can send: {SENDABLE}")
    try:
        number = float(share or 1)
    except ValueError:
        number = 0.0
    if not LEAST_SHARE <= number <= MOST_SHARE:
        raise ApiKeysError(
            f"the API key file {file} has a share after a key that is no number from {LEAST_SHARE} to {MOST_SHARE}"
        )
    return _digest(key), number
