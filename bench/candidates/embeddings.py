"""Embeddings from any server with OpenAI's /v1/embeddings, cached on disk so that no text is requested twice.

Texts are sent in batches; every answered batch is on disk before the next is sent, so that a kill loses at most one. A
busy or broken server is retried as in `bench.client.retry`. The vectors have the order of the texts, one length and
finite values; anything else is an error. The key is sent in one header and stored nowhere. Proxy settings in the
environment are ignored, so that a loopback server is reached directly.
"""

import hashlib
import math
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from bench.client.replies import reason
from bench.client.retry import may_help, wait_s
from bench.client.waits import WaitAnnouncer
from bench.errors import DataError, ServerError
from bench.wording import counted

RETRIES = 6
BATCH = 64
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddingsModel:
    """An embeddings model and its server."""

    url: str
    """Base URL such as https://host/v1, or the full address ending in /embeddings."""
    model: str
    key: str | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """The address for POST: `/v1/embeddings` on a bare host, `/embeddings` below a path."""
        url = self.url.rstrip("/")
        if url.endswith("/embeddings"):
            return url
        return f"{url}{'' if urlsplit(url).path else '/v1'}/embeddings"


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Vector]


def embed(model: EmbeddingsModel, texts: Sequence[str], cache: Path, *, timeout_s: float = 120.0) -> Vectors:
    """Return the vectors of `texts`, [len(texts), dimensions], from `cache` or else from the server.

    Args:
        model: the embeddings model.
        texts: the texts, none of them empty, which servers refuse; equal texts are requested once.
        cache: an SQLite file, created if missing; several models may share it.
        timeout_s: timeout of one batch in seconds.

    Raises:
        ServerError: the server cannot be reached, refuses, or does not return vectors.
        DataError: the cache cannot be read or written.
    """
    keys = {text: _key(model, text) for text in texts}
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache)) as store:
            store.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")
            cached = {row[0] for row in store.execute("SELECT key FROM vectors")}
            _fill(model, [text for text, key in keys.items() if key not in cached], keys, store, timeout_s)
            vectors = [_stored(store, keys[text]) for text in texts]
    except (sqlite3.Error, OSError) as error:
        raise DataError(f"the embeddings cache {cache} cannot be read or written: {error}") from error
    sizes = sorted({len(vector) for vector in vectors})
    if len(sizes) > 1:
        dimensions = " and ".join(map(str, sizes))
        raise ServerError(f"{model.address} returned vectors of {dimensions} dimensions for the same model")
    return np.stack(vectors)


def _key(model: EmbeddingsModel, text: str) -> bytes:
    return hashlib.sha256("\0".join([model.address, model.model, text]).encode()).digest()


def _stored(store: sqlite3.Connection, key: bytes) -> Vectors:
    (vector,) = store.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
    return np.frombuffer(vector, dtype="<f4")


def _fill(
    model: EmbeddingsModel, texts: list[str], keys: dict[str, bytes], store: sqlite3.Connection, timeout_s: float
) -> None:
    """Request `texts` batch by batch; every batch is committed when it arrives."""
    if not texts:
        return
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {model.key}"} if model.key else {})
    with (
        httpx.Client(timeout=timeout_s, trust_env=False, headers=headers) as http,
        tqdm(total=len(texts), desc=f"embed with {model.model}", unit="text", disable=None) as bar,
    ):
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            vectors = _ask(http, model, batch)
            rows = [(keys[text], vector.tobytes()) for text, vector in zip(batch, vectors, strict=True)]
            with store:
                store.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            bar.update(len(batch))


def _ask(http: httpx.Client, model: EmbeddingsModel, batch: list[str]) -> list[Vectors]:
    body = msgspec.json.encode({"model": model.model, "input": batch, "encoding_format": "float"})
    waits = WaitAnnouncer(model.address)
    attempt = 1
    while True:
        try:
            reply = http.post(model.address, content=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if attempt > RETRIES or not may_help(error, attempt):
                raise ServerError(f"no embeddings from {model.address}: {error or type(error).__name__}") from error
            headers, why = httpx.Headers(), str(error) or type(error).__name__
        else:
            if reply.status_code == httpx.codes.OK:
                return _read(reply.content, len(batch), model)
            headers, why = reply.headers, f"status {reply.status_code}: {reason(reply.content)}"
            if attempt > RETRIES or not may_help(reply.status_code, attempt):
                raise ServerError(f"no embeddings from {model.address}: {why}")
        seconds = wait_s(headers, attempt)
        attempt += 1
        waits.before_attempt(seconds, why, headers, attempt, RETRIES + 1)
        time.sleep(seconds)


def _read(body: bytes, count: int, model: EmbeddingsModel) -> list[Vectors]:
    """Return the vectors in order of their index; ServerError if they are incomplete."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ServerError(f"{model.address} did not return embeddings: {error}") from error
    vectors = {entry.index: entry.embedding for entry in answer.data}
    if len(answer.data) != count or vectors.keys() != set(range(count)):
        raise ServerError(
            f"{model.address} returned {counted(len(answer.data), 'vector')} for {counted(count, 'text')}"
        )
    if not all(vector and all(map(math.isfinite, vector)) for vector in vectors.values()):
        raise ServerError(f"{model.address} returned a vector that is empty or not made of finite numbers")
    return [np.array(vectors[index], dtype="<f4") for index in range(count)]
