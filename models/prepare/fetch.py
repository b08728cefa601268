"""The fetch step: get a checkpoint from the hub or a local folder, with the sha256 of every file.

Downloads use the hub's own client, so its environment variables apply (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE, HF_HOME)
and its cache is shared with other tools. Interrupted downloads resume, which the client alone would not do. If the hub
cannot be reached, a model that is complete in the cache is used. Every failure is a PrepareError with one sentence. No
telemetry is sent.
"""

import contextlib
import errno
import logging
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from huggingface_hub import HfApi, ModelInfo, constants, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is its HTTP library's, whichever that is
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]  # exported lazily

from models.artefact import Source
from models.prepare.checkpoint import Checkpoint, Folder, gather
from models.prepare.checkpoint_files import TOKENIZER, needed, shards
from models.prepare.errors import PrepareError
from models.prepare.origin import UNKNOWN, origin_of
from models.prepare.reading import cause

__all__ = ["Checkpoint", "fetch"]

log = logging.getLogger(__name__)

FULL = {errno.ENOSPC, errno.EDQUOT}
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP}
LATER = {408, 429}
"""Status codes, besides every 5xx, after which a later request may succeed."""


def fetch(model: str, *, revision: str | None = None, from_onnx: bool = False) -> Checkpoint:
    """Fetch a model of the catalogue or the hub, or a local checkpoint; raise PrepareError.

    `revision` is a branch, tag or commit of the hub; the default is the catalogue's commit, or `main`. With `from_onnx`
    the repository's own ONNX graph is fetched instead of its weights.
    """
    try:
        return _fetch(model, revision, from_onnx)
    except OSError as error:  # of the local disk: the network's errors have their own messages
        where = Path(error.filename or model)
        raise PrepareError(f"{where} cannot be read: {cause(where, error)}") from error


def _fetch(model: str, revision: str | None, from_onnx: bool) -> Checkpoint:
    source, folder = origin_of(model, revision)
    if folder is not None:
        return gather(Folder(Path(model).expanduser(), source), from_onnx=from_onnx)
    constants.HF_HUB_DISABLE_TELEMETRY = True
    return _from_hub(source, from_onnx)


def find_commit(source: Source) -> str:
    """Look up the commit of a branch or tag on the hub; raise PrepareError if the hub does not tell it."""
    constants.HF_HUB_DISABLE_TELEMETRY = True
    info = _ask(source)
    if isinstance(info, str):
        raise PrepareError(info)
    return info.sha or source.revision


def cached_commit(source: Source) -> str | None:
    """Look up the commit of a branch or tag in the hub's cache; None if it is not there."""
    path = try_to_load_from_cache(source.hub_id, TOKENIZER, revision=source.revision)
    return Path(path).parent.name if isinstance(path, str) else None


def _from_hub(source: Source, from_onnx: bool) -> Checkpoint:
    """List the repository's files on the hub and gather them; use the cache if the hub is not available."""
    info = _ask(source)
    if not isinstance(info, ModelInfo):
        return _from_cache(source, from_onnx, info)
    checkpoint = gather(_Hub(source, info), from_onnx=from_onnx)
    _note_commit(source, checkpoint.source.revision)
    return checkpoint


def _ask(source: Source) -> ModelInfo | str:
    """Ask the hub for a repository's commit and files; return the reason if the hub is not available."""
    timeout_s = constants.HF_HUB_ETAG_TIMEOUT
    try:
        return HfApi().model_info(source.hub_id, revision=source.revision, files_metadata=True, timeout=timeout_s)
    except (
        HTTPError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
    ) as error:  # the last three: the answer is not a hub's JSON
        if isinstance(error, HfHubHTTPError) and not _may_pass(error):
            raise PrepareError(_answered(error, source, "its list of files")) from error
        return _unreachable(error, source)


def _note_commit(source: Source, commit: str) -> None:
    """Record a branch's commit in the cache, as the client does, so that it is found without the hub."""
    if source.revision != commit:
        ref = _in_cache(source.hub_id) / "refs" / source.revision
        with contextlib.suppress(OSError):  # a read-only cache can still be used
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(commit)


def _in_cache(hub_id: str, under: str = "") -> Path:
    return Path(constants.HF_HUB_CACHE) / under / repo_folder_name(repo_id=hub_id, repo_type="model")


def _from_cache(source: Source, from_onnx: bool, why: str) -> Checkpoint:
    """Use a completely cached model; `why` is the message to raise if there is none."""
    path = try_to_load_from_cache(source.hub_id, TOKENIZER, revision=source.revision)
    if not isinstance(path, str):
        raise PrepareError(why)
    folder = Path(path).parent
    cached = Folder(folder, msgspec.structs.replace(source, revision=folder.name), snapshot=True)
    try:
        picked = needed(cached.names, source.hub_id, from_onnx=from_onnx)
        if picked.index is not None:
            shards(cached.bring(picked.index), cached.names, source.hub_id)
    except PrepareError:  # an earlier download was interrupted
        raise PrepareError(why) from None
    log.warning("the hub is not available: using %s from the cache, at commit %s", source.hub_id, folder.name)
    return gather(cached, from_onnx=from_onnx)


class _Hub:
    """A repository of the hub at one commit; files are downloaded into the client's cache."""

    def __init__(self, source: Source, info: ModelInfo) -> None:
        named = str(info.card_data.get("license") or UNKNOWN) if info.card_data is not None else UNKNOWN
        licence = source.licence if source.licence != UNKNOWN else named
        self.source = msgspec.structs.replace(source, revision=info.sha or source.revision, licence=licence)
        files = info.siblings or []
        self.names: Mapping[str, str | None] = {f.rfilename: f.lfs.sha256 if f.lfs else None for f in files}
        self._sizes = {file.rfilename: file.size or 0 for file in files}
        self._blobs = _in_cache(source.hub_id) / "blobs"
        self._locks = _in_cache(source.hub_id, ".locks")

    def reserve(self, names: list[str]) -> None:
        """Check the disk space for files, or parts of files, that are not downloaded yet."""
        missing = 0
        for name in names:
            if self._cached(name) is None:
                partial = self._partial(name)
                missing += self._sizes[name] - (partial.stat().st_size if partial.exists() else 0)
        here = next(path for path in self._blobs.absolute().parents if path.is_dir())
        free = shutil.disk_usage(here).free
        if missing > free:
            raise PrepareError(
                f"{self.source.hub_id} needs {missing / 1e9:.1f} GB more, but the disk of {constants.HF_HUB_CACHE} has "
                f"only {free / 1e9:.1f} GB free: free some space, or set HF_HOME to a folder on another disk"
            )

    def bring(self, name: str) -> Path:
        """Download a file into the cache unless it is cached; the download of a large file resumes."""
        cached = self._cached(name)
        if cached is not None:
            return cached
        with _explained(self.source, name):
            if self.names[name] is not None:
                self._resume(name, self._partial(name))
            return Path(hf_hub_download(self.source.hub_id, name, revision=self.source.revision))

    def _cached(self, name: str) -> Path | None:
        path = try_to_load_from_cache(self.source.hub_id, name, revision=self.source.revision)
        return Path(path) if isinstance(path, str) else None

    def _partial(self, name: str) -> Path:
        return self._blobs / f"{self.names[name]}.partial"

    def _resume(self, name: str, partial: Path) -> None:
        """Download a file to its blob in the cache, resuming a partial one; the client then finds it there."""
        blob = partial.with_suffix("")
        size = self._sizes[name]
        for folder in (self._blobs, self._locks):
            folder.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(self._locks / f"{blob.name}.lock"):  # the client's own lock for this file
            if blob.exists():
                return
            if partial.exists() and partial.stat().st_size > size:
                partial.unlink()
            with partial.open("ab") as file:
                url = hf_hub_url(self.source.hub_id, name, revision=self.source.revision)
                begun = file.tell()
                headers = build_hf_headers()
                http_get(url, file, resume_size=begun, headers=headers, expected_size=size, displayed_filename=name)
            partial.replace(blob)


@contextlib.contextmanager
def _explained(source: Source, name: str) -> Iterator[None]:
    """Turn every failure while a file is downloaded into one sentence."""
    what = f"{source.hub_id}: {name}"
    try:
        yield
    except (HTTPError, OSError) as error:
        cause = error.__cause__ if isinstance(error, LocalEntryNotFoundError) else error
        if isinstance(cause, HfHubHTTPError):
            raise PrepareError(_answered(cause, source, name)) from error
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise PrepareError(
                f"{what} cannot be written into the hub's cache ({error.filename or constants.HF_HUB_CACHE}: "
                f"{error.strerror}): make {constants.HF_HUB_CACHE} writable, or set HF_HOME to a folder that is"
            ) from error
        if isinstance(error, OSError) and error.errno in FULL:
            raise PrepareError(
                f"the disk of {constants.HF_HUB_CACHE} filled up while {what} was being downloaded: free some space "
                f"and prepare the model again (the download resumes), or set HF_HOME to a folder on another disk"
            ) from error
        raise PrepareError(
            f"{what} could not be downloaded from {constants.ENDPOINT} ({_brief(cause)}): prepare the model again "
            f"(the download resumes)"
        ) from error


def _may_pass(error: HfHubHTTPError) -> bool:
    return error.response.status_code >= 500 or error.response.status_code in LATER


def _answered(error: HfHubHTTPError, source: Source, name: str) -> str:
    """Return the message for an error response of the hub."""
    hub_id, status = source.hub_id, error.response.status_code
    page = f"{constants.ENDPOINT}/{hub_id}"
    if isinstance(error, GatedRepoError):
        return f"{hub_id} is gated: accept its terms on {page} and set HF_TOKEN to a token of that account"
    if isinstance(error, RevisionNotFoundError):
        return f"{hub_id} has no revision {source.revision}: give a branch, a tag or a full commit hash of {page}"
    if isinstance(error, EntryNotFoundError):
        return f"{hub_id} has no {name} at {source.revision}: check {page}, and that HF_ENDPOINT is a complete mirror"
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        return (
            f"{constants.ENDPOINT} has no model {hub_id}: check the name (org/name); if it is private, set HF_TOKEN to "
            f"a token with access to it"
        )
    if status in {401, 403}:
        return f"{constants.ENDPOINT} refused {hub_id} ({status}): set HF_TOKEN to a valid token with access to {page}"
    return f"{constants.ENDPOINT} answered {status} for {hub_id}: {name}; try again later"


def _unreachable(error: Exception, source: Source) -> str:
    """Return the message for an unreachable hub, or offline mode, when the model is not completely cached."""
    if isinstance(error, OfflineModeIsEnabled):
        return (
            f"{source.hub_id} at {source.revision} is not complete in the cache ({constants.HF_HUB_CACHE}) and "
            f"HF_HUB_OFFLINE forbids downloads: unset it, or download the model on another machine and copy the cache"
        )
    return (
        f"{constants.ENDPOINT} cannot be reached ({_brief(error)}) and {source.hub_id} at {source.revision} is not "
        f"complete in the cache ({constants.HF_HUB_CACHE}): check the network, set HF_ENDPOINT to a mirror, or "
        f"download the model on another machine and copy the cache"
    )


def _brief(error: BaseException | None) -> str:
    """Summarise an error: the first line of its message, or its class."""
    if isinstance(error, HfHubHTTPError):
        return f"it answered {error.response.status_code}"
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
