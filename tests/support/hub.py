"""A small model hub on loopback, which speaks what huggingface_hub asks of the true one, and fails on demand.

Repositories are given as name → bytes. Big files (weights, graphs, their data) are LFS files as on the true hub: their
address redirects to a second server, the storage, which knows ranges and must never see a token. Every request is
recorded with the bytes that were sent for it.
"""

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LIST = "the list of files"
"""The name that a fault in the answer to a repository's list of files goes by."""
BIG = (".safetensors", ".onnx", ".onnx_data", ".bin")
ALWAYS = 1_000_000
PATIENCE_S = 20


@dataclass
class Repository:
    """One model: its files, and who may read it."""

    files: Mapping[str, bytes]
    commits: Mapping[str, str] = field(default_factory=lambda: {"main": COMMIT})
    """The commit by branch or tag."""
    licence: str | None = "apache-2.0"
    gated: bool = False
    """Everybody may list it, as on the true hub."""
    token: str | None = None
    """The one token that may read it."""
    claimed_sizes: Mapping[str, int] = field(default_factory=dict)
    """What the list of files claims instead of the true sizes."""

    def commit(self, revision: str) -> str | None:
        """The commit of a branch, a tag or a commit; None for what is none of them."""
        return revision if revision in self.commits.values() else self.commits.get(revision or "main")


@dataclass
class Fault:
    """What goes wrong with a file (or LIST), the first `times` that its bytes are asked for."""

    breaks_after: int | None = None
    stalls_after: int | None = None
    status: int | None = None
    body: bytes | None = None
    """Sent in place of the file."""
    times: int = ALWAYS
    then: "Fault | None" = None
    """What goes wrong after that."""


@dataclass
class Asked:
    """One request, and how many bytes of body were sent for it."""

    method: str
    path: str
    name: str
    headers: Mapping[str, str]
    """By lower-case name."""
    sent: int = 0


class Hub:
    """The running hub; a with block starts and stops it."""

    def __init__(self, repositories: Mapping[str, Repository]) -> None:
        self.repositories = dict(repositories)
        self.faults: dict[str, Fault] = {}
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._servers = [_server(self, _HubHandler), _server(self, _StorageHandler)]
        self.url, self.storage_url = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)

    def __enter__(self) -> "Hub":
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be unreachable from now on."""
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def of(self, name: str, method: str = "GET") -> list[Asked]:
        """The requests for a file's bytes."""
        return [asked for asked in self.asked if asked.name == name and asked.method == method]

    def sent(self, name: str) -> int:
        """Bytes of a file that were sent, in all."""
        return sum(asked.sent for asked in self.of(name))

    def fault(self, name: str, method: str) -> Fault | None:
        """Take the fault of a file for this one time; only a status is a fault of HEAD too."""
        fault = self.faults.get(name)
        while fault is not None and fault.times <= 0:
            fault = fault.then
        if fault is None or (method == "HEAD" and fault.status is None):
            return None
        fault.times -= 1
        return fault


def _server(hub: Hub, handler: type["_Handler"]) -> ThreadingHTTPServer:
    bound = type(handler.__name__, (handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), bound)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def parse_request(self) -> bool:
        """A hub that was stopped answers on no connection that is still open."""
        self.close_connection = self.hub.closing.is_set()
        return not self.close_connection and super().parse_request()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        """Answer a request; each of the hub's two servers has its own way."""
        raise NotImplementedError

    def note(self, name: str) -> Asked:
        asked = Asked(self.command, self.path, name, {name.lower(): value for name, value in self.headers.items()})
        self.hub.asked.append(asked)
        return asked

    def refuse(self, status: int, code: str | None = None) -> None:
        body = b'{"error": "refused"}'
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send(self, asked: Asked, body: bytes, headers: Mapping[str, str]) -> None:
        """Answer with a body, or the part of it that a Range asks for, and with what goes wrong on the way."""
        fault = self.hub.fault(asked.name, self.command)
        if fault is not None and fault.status is not None:
            self.refuse(fault.status)
            return
        body = fault.body if fault is not None and fault.body is not None else body
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Accept-Ranges", "bytes")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self._write(asked, body[start:], fault)

    def _write(self, asked: Asked, body: bytes, fault: Fault | None) -> None:
        cut = len(body)
        if fault is not None:
            cut = min(n for n in (fault.breaks_after, fault.stalls_after, cut) if n is not None)
        self.wfile.write(body[:cut])
        self.wfile.flush()
        asked.sent = cut
        if fault is not None and fault.stalls_after is not None and not self.hub.closing.wait(PATIENCE_S):
            self.wfile.write(body[cut:])  # a client that waited this long has no time limit
            return
        self.close_connection = cut < len(body)


class _HubHandler(_Handler):
    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/api/models/"):
            hub_id, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            name = LIST
        else:
            hub_id, _, rest = path.strip("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
        asked = self.note(name)
        repository = self.hub.repositories.get(hub_id)
        refusal = _refusal(repository, revision, name, self.headers.get("Authorization"))
        if repository is None or refusal is not None:
            self.refuse(*(refusal or (404, "RepoNotFound")))
        elif name == LIST:
            sizes = "blobs=true" in self.path.lower()
            listing = json.dumps(_listing(hub_id, repository, repository.commit(revision), sizes=sizes)).encode()
            self.send(asked, listing, {"Content-Type": "application/json"})
        elif name not in repository.files:
            self.refuse(404, "EntryNotFound")
        else:
            self._resolve(asked, repository.files[name], repository.commit(revision) or COMMIT)

    def _resolve(self, asked: Asked, body: bytes, commit: str) -> None:
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_git_id(body)}"'}
        if not asked.name.endswith(BIG):
            self.send(asked, body, headers)
            return
        sha256 = hashlib.sha256(body).hexdigest()
        asked.name = f"the way to {asked.name}"
        self.send_response(302)
        headers |= {"X-Linked-ETag": f'"{sha256}"', "X-Linked-Size": str(len(body)), "Content-Length": "0"}
        for name, value in (headers | {"Location": f"{self.hub.storage_url}/{sha256}"}).items():
            self.send_header(name, value)
        self.end_headers()


class _StorageHandler(_Handler):
    def do_GET(self) -> None:
        for repository in self.hub.repositories.values():
            for name, body in repository.files.items():
                if self.path == f"/{hashlib.sha256(body).hexdigest()}":
                    self.send(self.note(name), body, {})
                    return
        self.refuse(404)


def _refusal(
    repository: Repository | None, revision: str, name: str, authorization: str | None
) -> tuple[int, str | None] | None:
    """The status and the X-Error-Code of a request that gets nothing."""
    if repository is None:
        return (404, "RepoNotFound")
    if repository.token is not None and authorization != f"Bearer {repository.token}":
        if not repository.gated:
            return (401, None)
        if name != LIST:
            return (401 if authorization is None else 403, "GatedRepo")
    return None if repository.commit(revision) else (404, "RevisionNotFound")


def _listing(hub_id: str, repository: Repository, commit: str | None, *, sizes: bool) -> dict[str, Any]:
    worker_metrics = []
    for name, body in repository.files.items():
        size = repository.claimed_sizes.get(name, len(body))
        sibling: dict[str, Any] = {"rfilename": name}
        if sizes:
            sibling |= {"size": size, "blobId": _git_id(body)}
        if sizes and name.endswith(BIG):
            sibling["lfs"] = {"size": size, "sha256": hashlib.sha256(body).hexdigest(), "pointerSize": 134}
        worker_metrics.append(sibling)
    listing = {"id": hub_id, "modelId": hub_id, "sha": commit, "siblings": worker_metrics, "tags": []}
    return listing | ({"cardData": {"license": repository.licence}} if repository.licence else {})


def _git_id(body: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(body) + body, usedforsecurity=False).hexdigest()
