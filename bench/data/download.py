"""Downloads one file, resumes an interrupted download, and computes the file's digests.

Bytes go to `<file>.partial`; a later call requests only the rest (HTTP Range), on condition that the file has not
changed (If-Range with its ETag or date). A server without range support sends the whole file, which replaces the
partial one. Digests are of the whole file. Proxy settings in the environment apply, because originals are on the
internet.
"""

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from tqdm import tqdm

from bench.errors import DataError

BLOCK = 1 << 20
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Digests:
    """Size and hashes of a downloaded file."""

    sha256: str
    md5: str
    bytes: int


def download(url: str, file: Path, attempts: int = 3, wait_s: float = 2.0) -> Digests:
    """Download `url` to `file`, resuming a partial download; DataError if it fails.

    Args:
        url: the address of the file.
        file: the path of the complete file.
        attempts: number of attempts after a broken connection or a 5xx, each resuming the one before.
        wait_s: seconds before the second attempt, doubled for each further one.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    if not file.is_file():
        for attempt in range(1, attempts + 1):
            try:
                _go_on(url, partial)
                break
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if attempt == attempts or not _may_pass(error):
                    raise DataError(_why(url, error, partial)) from error
                time.sleep(wait_s * 2 ** (attempt - 1))
        partial.replace(file)
        _validator_file(partial).unlink(missing_ok=True)
    return digests(file)


def digests(file: Path) -> Digests:
    """Compute the digests of a file on disk."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            sha256.update(block)
            md5.update(block)
            size += len(block)
    return Digests(sha256.hexdigest(), md5.hexdigest(), size)


def _go_on(url: str, partial: Path) -> None:
    """Make one attempt to download the missing bytes."""
    have, validator = _begun(partial)
    headers = {"Accept-Encoding": "identity"}  # ranges and sizes must refer to the file, not to a compressed form of it
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    with (
        httpx.Client(timeout=TIMEOUT_S, follow_redirects=True) as http,
        http.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink()  # the partial file is longer than the remote one: start over
            raise httpx.RemoteProtocolError("the remote file is shorter than the part already downloaded")
        response.raise_for_status()
        goes_on = response.status_code == httpx.codes.PARTIAL_CONTENT
        _keep_validator(partial, response.headers)
        begun = have if goes_on else 0
        rest = response.headers.get("Content-Length", "")
        total = begun + int(rest) if rest.isdecimal() else None
        bar = tqdm(total=total, initial=begun, desc=partial.stem, unit="B", unit_scale=True, disable=None)
        with partial.open("ab" if goes_on else "wb") as output, bar:
            for (
                block
            ) in response.iter_raw():  # unbuffered: a block still being collected would be lost with the connection
                output.write(block)
                bar.update(len(block))


def _begun(partial: Path) -> tuple[int, str]:
    """Return the number of bytes already downloaded and their validator; 0 bytes if the validator is unknown."""
    validator = _validator_file(partial)
    if partial.is_file() and validator.is_file():
        return partial.stat().st_size, validator.read_text(encoding="utf-8")
    return 0, ""


def _validator_file(partial: Path) -> Path:
    return partial.with_name(partial.name + ".of")


def _keep_validator(partial: Path, headers: httpx.Headers) -> None:
    """Store the validator of the remote file: a strong ETag, else its date, else nothing."""
    etag = headers.get("ETag", "")
    validator = headers.get("Last-Modified", "") if not etag or etag.startswith("W/") else etag
    if validator:
        _validator_file(partial).write_text(validator, encoding="utf-8")
    else:
        _validator_file(partial).unlink(missing_ok=True)


def _may_pass(error: Exception) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.TOO_MANY_REQUESTS or error.response.status_code >= 500
    return isinstance(error, httpx.TransportError)


def _why(url: str, error: Exception, partial: Path) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return f"{url} returned status {status}; use --mirror to download from a mirror"
    have = partial.stat().st_size if partial.is_file() else 0
    rest = f"; {have} bytes are kept, run the same command again to resume" if have else ""
    return f"downloading {url} failed ({error or type(error).__name__}){rest}"
