"""Worker processes that end with the process that started them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from sedum.errors import SedumError

__all__ = ["Submit", "worker_processes"]

#: Give a function and its arguments to a worker process.
Submit = Callable[..., Future[Any]]


@contextmanager
def worker_processes(count: int, start: Callable[..., None], *args: Any) -> Iterator[Submit]:
    """Give work to processes while the body runs.

    Where the body is left by an exception, as by Ctrl-C, the workers end at once; so they do
    if this process is killed.

    Parameters
    ----------
    count
        The number of processes, at most.
    start, args
        Called in each process before its work.

    Raises
    ------
    SedumError
        If a worker is killed, as systems do when memory runs out.
    """
    # Not forked: a process that is forked while torch has threads may never wake.
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent: the workers see the end of the pipe when this process lets go of it.
    watched, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(watched, start, *args))

    def submit(function: Callable[..., Any], *given: Any) -> Future[Any]:
        with _signals_kept_back():  # here is where processes start
            return pool.submit(function, *given)

    try:
        yield submit
    except BrokenProcessPool:
        held.close()
        raise SedumError(
            "a worker process was ended from outside, as happens when memory runs out; give the "
            "same command again, which goes on from what was finished, with fewer workers"
        ) from None
    except BaseException:
        held.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        held.close()
        watched.close()


def _begin(watched: Connection, start: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()
    start(*args)


def _end_with(watched: Connection) -> None:
    """End this process when the one that started it is gone or closes the pipe."""
    try:
        watched.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


@contextmanager
def _signals_kept_back() -> Iterator[None]:
    """Start processes undisturbed: Ctrl-C and requests to end are answered after the body.

    A terminal sends Ctrl-C to all processes, but one is to answer it: what is started in the
    body never hears it.
    """
    kept: list[int] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    handlers = {n: handler for n, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda n, frame: kept.append(n))
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else ()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in kept:
            handlers[number](number, None)
