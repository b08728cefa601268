"""Several processes behind one port: started, watched, started again when one dies, stopped together.

Each worker is a whole server on the same listening socket, from which the kernel hands a connection to whoever accepts
it first; it has its own model, queue and limits. One that cannot start ends all with its exit code; one that dies later
is replaced. Workers stop by themselves when this process is gone, however it went.
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
"""Before a dead worker is replaced, so that one that dies at once does not take the machine with it."""


def supervise(count: int, work: Callable[[int], None], listener: socket.socket) -> int:
    """Run `work(number)` in so many processes until told to stop; return an exit code.

    Args:
        count: of the workers, numbered from 0.
        work: is sent to the processes, so it must be picklable.
        listener: what they listen on; closed here too when they are to stop, or clients would be let in that nobody
            answers.
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
        """Start one, unless all are to stop."""
        self._starting = True
        if self._stopping.is_set():
            return
        # Ctrl-C reaches the workers too: until they have their own handlers they must not die of it with a trace
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker = get_context("spawn").Process(target=_run_worker, args=(self._work, number), name=f"worker-{number}")
        worker.start()
        self._running[number] = worker
        signal.signal(signal.SIGINT, before)
        self._starting = False
        if self._stopping.is_set():  # a stop signal came meanwhile
            self.stop()

    def stop(self, *_: object) -> None:
        """Tell all to finish what is in flight and end."""
        self._stopping.set()
        if not self._starting:  # what is being started is given the listener
            self._listener.close()
        for worker in list(self._running.values()):
            worker.terminate()

    def watch(self) -> int:
        """Replace those that die, until none is left; return an exit code."""
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
                    log.error("worker %d died with exit code %d and is started again", number, worker.exitcode)
                    time.sleep(PAUSE_S)
                    self.start(number)
        return code


def _run_worker(work: Callable[[int], None], number: int) -> None:
    """Run one worker in its own process; a refusal is one sentence and its exit code."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.join,), daemon=True, name="parent").start()
    try:
        work(number)
    except Refusal as refusal:
        refusal.show()
        sys.exit(Refusal.exit_code)


def _follow(ended: Callable[[], None]) -> None:
    """Stop when the process that started this one has ended."""
    ended()
    os.kill(os.getpid(), signal.SIGTERM)
