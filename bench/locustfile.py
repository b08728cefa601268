"""The load test for locust: `locust -f bench/locustfile.py --host URL`, alone or with --master and --worker.

Sends real queries and passages in mixed sizes and checks every answer. locust shows its own statistics, which are based
on rounded times; exact ones are computed from raw samples, which workers send to the master with their reports. Every
user waits for its answer before it sends again: a closed loop, whatever the pause is called. It does not wait when a
server that refuses a request asks for it: a refusal is a failure, and the wait that was asked for is logged.
"""

import functools
import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import gevent  # type: ignore[import-untyped]  # it ships none
import msgspec
from locust import FastHttpUser, LoadTestShape, events, tag, wait_time
from locust.env import Environment
from locust.exception import StopTest
from locust.runners import MasterRunner, WorkerRunner
from msgspec.structs import replace

from bench.contestants.catalogue import DIALECTS
from bench.contestants.contestant import LOCAL_KEY_VARIABLE
from bench.contestants.dialect import Dialect
from bench.errors import BenchError
from bench.load import plans
from bench.load.answers import problem
from bench.load.host import base_url, check, info, ssl_context
from bench.load.options import DEFAULT_RUN_TIME_S, DEFAULT_TAGS, RECORDED, add_options, check_tags, starts_at_once
from bench.load.refusals import RefusalLog
from bench.load.sample_log import SampleLog
from bench.load.samples import LoadHeader, Reported, of_request
from bench.load.workload import RequestSampler, RequestTexts, Workload, read, results_wanted, sizes
from bench.provenance import gather
from bench.records import Provenance
from bench.settings import Settings
from bench.wording import counted

log = logging.getLogger(__name__)

REPORTED = "rerank_samples"
"""Key of the samples in a worker's report."""
REFUSALS = RefusalLog(log.warning)
"""What this process logs of the waits that a server asks for."""
LAST_REPORT_S = 5
"""Seconds to wait for a worker's last report."""

events.init_command_line_parser.add_listener(add_options)


def dialect_task(dialect: Dialect) -> Callable[["RerankUser"], None]:
    """Return a locust task with the dialect's name, which `--tags` selects."""

    def send(user: "RerankUser") -> None:
        user.rerank(dialect)

    send.__name__ = dialect.name
    return tag(dialect.name)(send)


class RerankUser(FastHttpUser):
    """A user of a reranker with one task per dialect; `--tags` selects some, by default `rerank`."""

    concurrency = 1
    insecure = False  # locust's default sends the key to whoever answers
    ssl_context_factory = staticmethod(ssl_context)
    tasks = [dialect_task(dialect) for dialect in DIALECTS.values()]  # noqa: RUF012  # locust declares it so
    workload: Workload | None = None
    """The workload of the running test; None if the test cannot run in this process."""
    users: Iterator[int] = itertools.count()
    """Numbers the users that this process starts in a test."""
    pause: Callable[[Any], float]
    sampler: RequestSampler

    def __init__(self, environment: Environment) -> None:
        if self.workload is None:
            raise StopTest("this process cannot run the test; see its log for the reason")
        super().__init__(environment)

    def on_start(self) -> None:
        """Create this user's own sampler."""
        assert self.workload is not None  # noqa: S101  # __init__ has checked it
        self.sampler = self.workload.sampler(_worker(self.environment), next(self.users))
        self.pause = getattr(wait_time, self.workload.pause.plan)(*self.workload.pause.numbers)

    def wait_time(self) -> float:
        """Return the seconds until the next request."""
        return self.pause(self)

    def rerank(self, dialect: Dialect) -> None:
        """Send one request; locust counts it as failed if the answer is invalid."""
        assert self.workload is not None  # noqa: S101  # __init__ has checked it
        workload, request = self.workload, self.sampler.draw()
        body = dialect.request_body(request.query, request.documents, workload.model, workload.top_n)
        with self.client.post(
            dialect.route,
            name=f"{dialect.route} ({dialect.name}, {counted(len(request.documents), 'document')})",
            data=body,  # type: ignore[arg-type]  # sent as it is
            headers=workload.headers,
            context={
                "dialect": dialect.name,
                "query_id": request.query_id,
                "documents": len(request.documents),
                "pairs": request.pairs,
            },
            catch_response=True,
        ) as response:
            error = getattr(response, "error", None)
            sentence = problem(dialect, workload, request, response.status_code, response.content or b"", error)
            if sentence is not None:
                response.failure(sentence)
                REFUSALS.note(response.status_code, response.headers or {})


class PlannedShape(LoadTestShape):
    """The number of users over time: up to --users, over --run-time."""

    abstract = True  # otherwise locust would use it in every test, not only with --shape

    def __init__(self, environment: Environment) -> None:
        super().__init__()
        self._options: Any = environment.parsed_options
        self.runner = environment.runner

    def tick(self) -> tuple[int, float] | None:
        """Return (users, users started per second) for now; None at the end."""
        most, run_time_s = self._options.num_users or 1, self._options.run_time or DEFAULT_RUN_TIME_S
        users = plans.users(self._options.shape, self.get_run_time(), run_time_s, most)
        return None if users is None else (users, float(most))


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    """Check the flags before anything is sent, and register the event listeners."""
    options: Any = environment.parsed_options
    options.tags = options.tags or list(DEFAULT_TAGS)
    hub = gevent.get_hub()
    hub.NOT_ERROR = (*hub.NOT_ERROR, StopTest)  # locust logs it; gevent would print a traceback as well
    environment.events.test_start.add_listener(_renew_workload)  # first, because the header describes it
    environment.events.quitting.add_listener(_check_answered)
    try:
        check_tags(options.tags)
        RerankUser.workload = _workload(options)
        _check_host(environment, RerankUser.workload)
        _keep_samples(environment, Path(options.samples) if options.samples else None)
    except BenchError as error:
        sys.exit(str(error))
    if options.shape != "none":
        environment.shape_class = PlannedShape(environment)


def _check_host(environment: Environment, workload: Workload) -> None:
    """Check --host if the test starts at once: a web page asks for it, and a worker gets it from its master."""
    options: Any = environment.parsed_options
    if isinstance(environment.runner, WorkerRunner) or not (environment.host or starts_at_once(options)):
        return
    environment.host = base_url(environment.host, options.tags)
    if starts_at_once(options) and not isinstance(environment.runner, MasterRunner):  # a master need not reach it
        check(environment.host, workload.key)


def _renew_workload(environment: Environment, **_: Any) -> None:
    """Read the flags again: a worker gets them from its master, a master from its web page, and now they are final."""
    options: Any = environment.parsed_options
    try:
        environment.host = base_url(environment.host, options.tags)
        RerankUser.workload, RerankUser.users = _workload(options), itertools.count()
    except BenchError as error:
        log.error(error)  # and no user starts
        RerankUser.workload = None


def _check_answered(environment: Environment, **_: Any) -> None:
    """Fail a test that had no answer at all: nothing was measured."""
    runner, options = environment.runner, environment.parsed_options
    if runner is None or isinstance(runner, WorkerRunner) or not starts_at_once(options):
        return
    if not runner.stats.total.num_requests and environment.process_exit_code is None:
        log.error("nothing was measured: no request was answered during the test")
        environment.process_exit_code = 1


def _workload(options: Any) -> Workload:
    texts, documents = _texts(options.data, options.split), sizes(options.documents)
    texts.check(documents)
    return Workload(
        texts=texts,
        sizes=documents,
        pause=plans.pause(options.pause),
        top_n=results_wanted(options.top_n),
        model=options.model or None,
        seed=options.seed,
        key=Settings.from_environment().key(LOCAL_KEY_VARIABLE),
    )


@functools.cache
def _texts(data: str, split: str) -> RequestTexts:
    """Read the texts once per process, not once per test."""
    return read(data, Settings.from_environment().data_root, split)


def _keep_samples(environment: Environment, path: Path | None) -> None:
    """Collect samples: workers send them with each report; the master or only process saves and reports them."""
    hooks = environment.events
    if isinstance(environment.runner, WorkerRunner):
        waiting: list[Reported] = []
        hooks.request.add_listener(lambda **request: waiting.extend(of_request(request, _worker(environment))))

        def report(data: dict[str, Any], **_: Any) -> None:
            data[REPORTED] = msgspec.msgpack.encode(waiting)
            waiting.clear()

        hooks.report_to_master.add_listener(report)
        return
    sample_log, header = SampleLog(path, functools.partial(_fail, environment)), _headers(environment)
    hooks.request.add_listener(lambda **request: sample_log.add(of_request(request, _worker(environment))))
    hooks.worker_report.add_listener(
        lambda data, **_: sample_log.add(msgspec.msgpack.decode(data[REPORTED], type=list[Reported]))
    )
    hooks.test_start.add_listener(lambda **_: sample_log.start(header(), time.time()))
    if isinstance(environment.runner, MasterRunner):
        hooks.test_stop.add_listener(_await_last_reports)
    _show(environment, sample_log)


def _fail(environment: Environment, sentence: str) -> None:
    """Go on with the test, which is worth its figures, but not as if nothing had happened."""
    log.error(sentence)
    environment.process_exit_code = 1


def _await_last_reports(environment: Environment, **_: Any) -> None:
    """Let workers finish and report the requests in flight before the master exits.

    Without a web page, locust's master waits half a second whatever --stop-timeout is, so the slowest requests would be
    lost.
    """
    runner, options = environment.runner, environment.parsed_options
    assert isinstance(runner, MasterRunner)  # noqa: S101  # only the master has this listener
    if options is None or not options.headless:
        return
    runner.send_message("quit")
    give_up = time.perf_counter() + environment.stop_timeout + LAST_REPORT_S
    while runner.clients.all and time.perf_counter() < give_up:
        time.sleep(0.05)


def _worker(environment: Environment) -> int:
    """Return the number of this worker process."""
    return int(getattr(environment.runner, "worker_index", 0))


def _headers(environment: Environment) -> Callable[[], LoadHeader]:
    """Return a function that makes a test's header; slow facts are gathered now, before locust's clock starts."""
    options: Any = environment.parsed_options

    def header(provenance: Provenance) -> LoadHeader:
        url, workload = environment.host or "", RerankUser.workload
        settings = {name: value for name, value in vars(options).items() if name in RECORDED}
        now = datetime.now(UTC).isoformat(timespec="seconds")
        server = info(url, workload.key) if workload and url else None
        texts = workload.texts if workload else None
        return LoadHeader(
            replace(provenance, url=url, server=server, settings=settings, created_utc=now),
            queries=len(texts.queries) if texts else None,
            passages=len(texts.passages) if texts else None,
        )

    gathered = header(gather("", None, {})).provenance
    return lambda: header(gathered)


def _show(environment: Environment, sample_log: SampleLog) -> None:
    """Show the exact statistics: on stdout at the end, and at /exact of the web page at any time."""

    def report() -> str:
        total = environment.stats.total
        return sample_log.report(total.num_requests, total.total_rps)

    def finish(**_: Any) -> None:
        sample_log.close()
        click.echo(report())

    environment.events.quit.add_listener(finish)
    web: Any = environment.web_ui
    if web is not None:
        page = web.auth_required_if_enabled(lambda: (report(), {"Content-Type": "text/plain; charset=utf-8"}))
        web.app.add_url_rule("/exact", "exact", page)
