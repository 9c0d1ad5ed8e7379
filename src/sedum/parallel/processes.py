"""Worker processes that end with their parent process, however it ends."""

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

#: Function that submits a function and its arguments to a worker process.
Submit = Callable[..., Future[Any]]


@contextmanager
def worker_processes(count: int, start: Callable[..., None], *args: Any) -> Iterator[Submit]:
    """Run worker processes while the body of the ``with`` statement runs.

    The workers stop at once if an exception such as Ctrl-C leaves the body, or if this process is
    killed.

    Parameters
    ----------
    count
        Maximum number of processes.
    start
        Function called in each process before its first task.
    *args
        Arguments of ``start``.

    Yields
    ------
    Submit
        Function that submits a task and returns its future.

    Raises
    ------
    SedumError
        If a worker is killed, as operating systems do when memory runs out.
    """
    # A process forked while torch has threads may hang, so processes are spawned.
    context = multiprocessing.get_context("spawn")
    # Nothing is ever sent: the pipe closes when this process ends, and the workers notice.
    watched, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=(watched, start, *args))

    def submit(function: Callable[..., Any], *given: Any) -> Future[Any]:
        with _signals_deferred():  # processes start here
            return pool.submit(function, *given)

    try:
        yield submit
    except BrokenProcessPool:
        held.close()
        raise SedumError(
            "a worker process was killed from outside, as happens when memory runs out; call again "
            "with fewer workers: finished work is kept"
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
    """End this process when its parent process ends or closes the pipe."""
    try:
        watched.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Defer Ctrl-C and termination signals until the body of the ``with`` statement ends.

    A terminal sends Ctrl-C to all processes, but only the parent should handle it: processes
    started in the body ignore it.
    """
    deferred: list[int] = []
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    handlers = {n: handler for n, handler in handlers.items() if callable(handler)}
    for number in handlers:
        signal.signal(number, lambda n, frame: deferred.append(n))
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if masks else ()
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in deferred:
            handlers[number](number, None)
