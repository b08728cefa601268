"""Several worker processes on one port: started, supervised, restarted when one dies, and stopped together.

Each worker is a complete server on the same listening socket, with its own model, queue and limits; the kernel hands a
connection to whichever worker accepts it first. A worker that cannot start ends all workers with its exit code; one
that dies later is replaced. Workers stop by themselves when the supervising process is gone, for whatever reason.
"""

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

from service.commands.refusal import Refusal

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""Delay before a dead worker is replaced, so that a worker that keeps dying does not overload the machine."""


def supervise(count: int, work: Callable[[int], None], listener: socket.socket) -> int:
    """Run `work(number)` in `count` processes until a stop signal; return an exit code.

    Args:
        count: the number of workers, which are numbered from 0.
        work: what each worker runs; it must be picklable.
        listener: the shared socket. It is closed here too when the workers stop, or the kernel would go on accepting
            connections that no worker answers.
    """
    workers = _Workers(work, listener)
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, workers.stop)
    for number in range(count):
        workers.start(number)
    return workers.watch()


class _Workers:
    def __init__(self, work: Callable[[int], None], listener: socket.socket) -> None:
        self._work = work
        self._listener = listener
        self._running: dict[int, SpawnProcess] = {}
        self._starting = False
        self._stopping = threading.Event()

    def start(self, number: int) -> None:
        """Start one worker, unless all are stopping."""
        self._starting = True
        if self._stopping.is_set():
            return
        # Ctrl-C reaches the workers too: before they install their own handlers, it must not kill them with a traceback
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker = get_context("spawn").Process(target=_run_worker, args=(self._work, number), name=f"worker-{number}")
        worker.start()
        self._running[number] = worker
        signal.signal(signal.SIGINT, before)
        self._starting = False
        if self._stopping.is_set():  # a stop signal came meanwhile
            self.stop()

    def stop(self, *_: object) -> None:
        """Tell all workers to finish their requests in flight and end."""
        self._stopping.set()
        if not self._starting:  # a worker that is being started still needs the listener
            self._listener.close()
        for worker in list(self._running.values()):
            worker.terminate()

    def watch(self) -> int:
        """Replace workers that die, until none is left; return an exit code."""
        code = 0
        while self._running:
            wait([worker.sentinel for worker in self._running.values()])
            ended = {number: worker for number, worker in self._running.items() if worker.exitcode is not None}
            for number, worker in ended.items():
                del self._running[number]
                code = code or (worker.exitcode if worker.exitcode == Refusal.exit_code else 0)
                if code:
                    self.stop()
                elif not self._stopping.is_set():
                    log.error("worker %d died with exit code %d; restarting it", number, worker.exitcode)
                    time.sleep(PAUSE_S)
                    self.start(number)
        return code


def _run_worker(work: Callable[[int], None], number: int) -> None:
    """Run one worker in its own process; a Refusal is shown as one sentence and sets the exit code."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.join,), daemon=True, name="parent").start()
    try:
        work(number)
    except Refusal as refusal:
        refusal.show()
        sys.exit(Refusal.exit_code)


def _follow(ended: Callable[[], None]) -> None:
    """Stop this process when its parent has ended."""
    ended()
    os.kill(os.getpid(), signal.SIGTERM)
