"""Several processes that answer on one port: started, started again where one dies, and stopped together."""

import asyncio
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Final

from gateway.backup import serving_from
from gateway.contract.clock import Clock
from gateway.contract.errors import Problem
from gateway.engine.clock import SystemClock
from gateway.engine.tokens.broker import DRAIN_WAIT
from gateway.garbage_collection import put_off
from gateway.serve import STOP_SIGNALS, answering, grace_with, port_of, run, stop_signals
from gateway.settings import Misconfigured, Settings, address

Listening = Callable[[Settings], tuple[socket.socket, socket.socket | None]]
"""Opens the sockets that requests and, where they are apart, metrics come to."""
SPARE: Final = 5.0
"""Seconds that a worker is given beyond all that it may still have to do."""
QUICK: Final = 5.0
"""A worker that lived no longer than these seconds is not started again at once: each time it waits longer."""
LONGEST_WAIT: Final = 10.0
_COUNTED_IN: Final = "PROMETHEUS_MULTIPROC_DIR"
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - nobody else can open the folder that is made in it
"""A file system in memory, where the system has one."""


class Supervisor:
    """Keeps a number of worker processes running until it is told to stop.

    Workers are forked from a process that has read everything and runs nothing, so they start in an instant and share
    its memory. A worker whose supervisor is gone stops by itself.
    """

    def __init__(
        self,
        count: int,
        work: Callable[[int], None],
        died: Callable[[int, int, int], None],
        clock: Clock,
        patience: float,
    ) -> None:
        """Each worker has a place, from 0 on, which whoever is started for it takes over.

        ``work`` is told its place. ``died`` is told of each that ended, of its place, and of how it ended, as
        ``os.waitstatus_to_exitcode`` has it: 0 if it was to.

        ``patience`` is how many seconds a worker that was asked to stop may take.
        """
        self._clock = clock
        self._patience = patience
        self._count = count
        self._work = work
        self._died = died
        self._started: dict[int, tuple[int, float]] = {}
        self._quick_deaths = 0
        self._stopping = False

    def run(self) -> None:
        """Until SIGTERM or SIGINT; then ``stop`` is still to be called."""
        awaited = {*STOP_SIGNALS, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
        for _ in range(self._count):
            self._start()
        not_before = 0.0
        while True:
            number = self._next_signal(awaited, not_before)
            if number in STOP_SIGNALS:
                break
            if self._reap():
                not_before = self._clock.monotonic() + self._wait()
            if self._clock.monotonic() >= not_before:
                for _ in range(self._count - len(self._started)):
                    self._start()

    def _next_signal(self, signals: set[signal.Signals], not_before: float) -> int | None:
        """The next signal; None where it is time to start workers instead."""
        if len(self._started) == self._count:
            return signal.sigwait(signals)
        found = signal.sigtimedwait(signals, max(0.0, not_before - self._clock.monotonic()))
        return None if found is None else found.si_signo

    def _start(self) -> None:
        taken = {place for place, _ in self._started.values()}
        place = next(place for place in range(self._count) if place not in taken)
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process == 0:
            status = 1
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, ())
                self._work(place)
                status = 0
            except (Misconfigured, Problem) as error:
                sys.stderr.write(f"polder: {error}\n")  # in one piece, unlike print: other workers write there too
            except Exception:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        self._started[process] = place, self._clock.monotonic()

    def _reap(self) -> int:
        """Take note of those that ended; how many there are."""
        ended = 0
        for process, (place, began) in list(self._started.items()):
            found, status = os.waitpid(process, os.WNOHANG)
            if found == 0:
                continue
            del self._started[process]
            ended += 1
            self._died(process, place, 0 if self._stopping else os.waitstatus_to_exitcode(status))
            self._quick_deaths = self._quick_deaths + 1 if self._clock.monotonic() - began < QUICK else 0
        return ended

    def _wait(self) -> float:
        return 0.0 if self._quick_deaths == 0 else min(0.1 * 2**self._quick_deaths, LONGEST_WAIT)

    def stop(self) -> None:
        """Ask all to finish, and end those that do not."""
        self._stopping = True
        for number, within in ((signal.SIGTERM, self._patience), (signal.SIGKILL, 5.0)):
            for process in self._started:
                os.kill(process, number)
            until = self._clock.monotonic() + within
            while self._started and self._clock.monotonic() < until:
                signal.sigtimedwait({signal.SIGCHLD}, 0.2)
                self._reap()


def supervise(settings: Settings, listening: Listening) -> None:
    """Run the gateway in as many processes as are configured. Raises ``Misconfigured``, or what ``listening`` does."""
    with counting_together():
        _run_workers(settings, listening)


@contextmanager
def counting_together() -> Iterator[None]:
    """Let every worker count in files of one folder, so that any of them can tell the metrics of all.

    The metrics library looks for the folder when it is first imported, so nothing may have imported it before. It maps
    the files: on a disk that has no room for them any more, each worker that counts something would be killed (SIGBUS).
    """
    assert "prometheus_client" not in sys.modules
    apart = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with TemporaryDirectory(prefix="polder-metrics-", dir=apart, ignore_cleanup_errors=True) as folder:
        os.environ[_COUNTED_IN] = folder
        yield


def _run_workers(settings: Settings, listening: Listening) -> None:
    with put_off():  # collecting would also write to memory that workers share with this process
        # What counts is imported last; see counting_together.
        from prometheus_client import CollectorRegistry, Counter, values  # noqa: PLC0415 - as just said
        from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - as just said

        from gateway.app import generations_of, storage_of  # noqa: PLC0415 - as just said
        from gateway.web.logs import Line, Log  # noqa: PLC0415 - as just said
        from gateway.web.metrics import WORKER_DEATHS  # noqa: PLC0415 - as just said

        clock = SystemClock()
        storage_of(settings)  # what is misconfigured is told once, and the tables are made once
        generations = generations_of(settings, clock)
    listener, metrics = listening(settings)
    reading, writing = os.pipe()
    # Who takes a worker's place goes on counting in its files. With files of each process every death would leave some,
    # until the memory that they are in is full.
    counting = "supervisor"
    values.ValueClass = values.MultiProcessValue(lambda: counting)  # type: ignore[no-untyped-call]  # it has none either
    deaths = Counter(*WORKER_DEATHS, registry=CollectorRegistry())
    log = Log(sys.stderr.buffer, clock, human=sys.stderr.isatty(), least=settings.log_level)

    def work(place: int) -> None:
        nonlocal counting
        counting = str(place)
        os.close(writing)
        run(_work(settings, listener, metrics, reading))

    def died(process: int, place: int, code: int) -> None:
        # It may have died between a write and the end of a generation.
        generations.forsake()
        mark_process_dead(place)  # type: ignore[no-untyped-call]  # the library leaves it without annotations
        if code != 0:
            # One that was killed, for want of memory perhaps, could say nothing itself.
            deaths.inc()
            how = f"was ended by signal {-code}" if code < 0 else f"failed with status {code}"
            log.write(Line(level="error", event="worker", detail=f"Worker {process} {how}; another takes its place."))

    if sys.stderr.isatty():
        print(f"Polder is at {address(settings.host, port_of(listener))} (docs at /docs). Ctrl-C stops it.", flush=True)
    supervisor = Supervisor(settings.workers, work, died, clock, patience_with(settings))
    with listener, serving_from(settings):
        supervisor.run()
    # Nobody new is let in by now: whoever came and found no worker left would wait for nothing.
    supervisor.stop()


def patience_with(settings: Settings) -> float:
    """Seconds a worker may take to stop: it drains, finishes the requests under way, then the tokens on their way."""
    return settings.drain + grace_with(settings.deadline) + DRAIN_WAIT + SPARE


async def _work(settings: Settings, listener: socket.socket, metrics: socket.socket | None, supervisor: int) -> None:
    """One worker, until it is told to stop or the supervisor, who alone has the other end of a pipe, is gone."""
    from gateway.app import build  # noqa: PLC0415 - as in _run_workers

    polder, loop = await build(settings), asyncio.get_running_loop()
    with ExitStack() as last, stop_signals() as stop:

        def orphaned() -> None:
            loop.remove_reader(supervisor)  # the end of a pipe can be read for ever
            last.callback(rmtree, os.environ[_COUNTED_IN], ignore_errors=True)  # nobody else clears it away now
            stop.set()

        loop.add_reader(supervisor, orphaned)
        async with answering(polder, listener, metrics):
            await stop.wait()
