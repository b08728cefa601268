"""locust where something is wrong: no host, a host as people type it, a bad certificate, a full disk, a busy server."""

import re
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from bench.load.samples import read
from tests.support.fake_reranker import FakeReranker, Reply
from tests.support.running import running
from tests.support.server import free_port
from tests.support.swarm import ENVIRON, LOCUST, ROOT, start, swarm

pytestmark = pytest.mark.slow
HEADLESS = ("--headless", "--only-summary", "-u", "1", "--documents", "2")


def locust(*flags: str, limit_blocks: int | None = None, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Run locust to its end, files limited to so many blocks of 1,024 bytes; its exit code and all that it says."""
    limited = f"ulimit -f {limit_blocks}; " if limit_blocks else ""
    command = ["bash", "-c", f'{limited}exec "$@"', "bash", *LOCUST, *HEADLESS, *flags]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRON | (environment or {}), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), "there is no server to test: give --host http://HOST:PORT"),
        (("--host", "127.0.0.1:8000"), "--host '127.0.0.1:8000' is not the base URL of a server"),
        (("--host", "http://127.0.0.1:1"), "no server answers at http://127.0.0.1:1 "),
    ],
    ids=["none", "no scheme", "nobody there"],
)
def test_a_host_that_cannot_be_tested_is_a_sentence_before_the_test(flags: tuple[str, ...], told: str) -> None:
    """The last line, without a traceback, and the exit code is 1."""
    code, text = locust("-t", "60", *flags)
    assert code == 1
    assert text.strip().splitlines()[-1].startswith(told)
    assert "Traceback" not in text


def test_slashes_at_the_end_of_the_host_are_not_in_the_way(reranker: FakeReranker, tmp_path: Path) -> None:
    """With a worker, which gets the host from its master: every request is answered, and the file names the server."""
    found = swarm(tmp_path, f"{reranker.url}//", "-u", "1", "-t", "2", "--documents", "2", workers=1)
    assert found.code == 0, found.log
    assert len(found.samples) == len(reranker.seen) > 0
    assert {at.sample.error for at in found.samples} == {None}
    provenance = read(tmp_path / "samples.jsonl")[0].provenance
    assert (provenance.url, provenance.server) == (reranker.url, reranker.info)


def test_a_web_page_without_a_host_sends_nothing_and_says_so(reranker: FakeReranker) -> None:
    """One sentence in the log; a host with a slash, given on the page afterwards, is used."""
    port = free_port()
    process = start("--web-host", "127.0.0.1", "--web-port", str(port), "--documents", "2")
    page = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(trust_env=False, timeout=20) as client:
            _begin(client, page, {"user_count": "1", "spawn_rate": "1"})
            _until(lambda: client.get(f"{page}/stats/requests").json()["state"] == "stopped")
            _begin(client, page, {"user_count": "1", "spawn_rate": "1", "host": f"{reranker.url}/"})
            _until(lambda: bool(reranker.seen))
    finally:
        process.terminate()
        out, _ = process.communicate(timeout=30)
    text = out.decode()
    assert reranker.seen
    assert text.count("there is no server to test: give --host") == 1
    assert "Traceback" not in text


def _begin(client: httpx.Client, page: str, form: dict[str, str]) -> None:
    def started() -> bool:
        try:
            return client.post(f"{page}/swarm", data=form).json()["success"] is True
        except httpx.TransportError:
            return False

    _until(started)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_certificate_is_checked_before_a_key_is_sent(tmp_path: Path) -> None:
    """One sentence with the variable that names the authority; with it, the test runs."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    server = FakeReranker()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    url = server.url.replace("http:", "https:")
    with running(server):
        code, text = locust("-t", "2", "--host", url)
        assert code == 1
        assert f"the certificate at {url} is not trusted" in text.splitlines()[-1]
        assert "set SSL_CERT_FILE" in text.splitlines()[-1]
        assert server.seen_keys == []
        code, text = locust("-t", "2", "--host", url, environment={"SSL_CERT_FILE": str(certificate)})
        assert code == 0, text
        assert set(server.seen_keys) == {"Bearer right"}


def test_a_full_disk_ends_the_file_and_not_the_test(reranker: FakeReranker, tmp_path: Path) -> None:
    """The file ends with a whole line, the figures are of all requests, and one sentence and the exit code say so."""
    file = tmp_path / "samples.jsonl"
    code, text = locust(
        "-t", "10", "--host", reranker.url, "--samples", str(file), "--stop-timeout", "20", limit_blocks=5
    )
    kept = len(read(file)[1])
    assert 0 < kept < len(reranker.seen)
    assert file.read_bytes().endswith(b"\n")
    sentence = (
        f"{file} cannot be written: File too large; it has the first {kept} requests, and the statistics have all"
    )
    assert text.count(sentence) == 2  # when it happens, and below the figures
    assert code == 1
    assert "Traceback" not in text
    counted = re.findall(r"^all +(\d+) ", text, re.MULTILINE)
    assert counted == [str(len(reranker.seen))]


def test_a_disk_that_is_full_before_the_test_is_a_sentence(reranker: FakeReranker, tmp_path: Path) -> None:
    """An hour of load would be measured for nothing."""
    code, text = locust("--host", reranker.url, "--samples", str(tmp_path / "samples.jsonl"), limit_blocks=1)
    assert code == 1
    assert text.splitlines()[-1] == f"{tmp_path / 'samples.jsonl'} cannot be written: File too large"
    assert reranker.seen == []


def test_a_wait_that_a_server_asks_for_is_told(reranker: FakeReranker) -> None:
    """The users do not wait; what the server asked for is in the log once, not once a request."""
    reranker.replies = [Reply(429, {"message": "busy"}, {"Retry-After": "900"})] * 2000
    code, text = locust("-t", "2", "--host", reranker.url)
    assert code == 1
    assert text.count("the server refuses requests (status 429) and asks to wait 900 s") == 1


def test_a_test_without_any_answer_is_no_success(reranker: FakeReranker) -> None:
    """A server that holds every request until the test is over leaves nothing to report."""
    reranker.delay_s = 30
    code, text = locust("-t", "2", "--host", reranker.url)
    assert code == 1
    assert "nothing was measured: no request was answered during the test" in text
