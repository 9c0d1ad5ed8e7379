"""Threads: how many there are, how they wait, and dividing work among them."""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

__all__ = ["available_cores", "in_threads", "use_available_cores", "wait_passively"]

Item = TypeVar("Item")
Result = TypeVar("Result")

#: How the threads of OpenMP wait for each other, by environment variable. Where they spin, as they
#: do by default, another busy process makes small operations several times slower on two threads
#: than on one.
_PASSIVE = {"GOMP_SPINCOUNT": "0", "OMP_WAIT_POLICY": "passive"}
_CGROUPS = Path("/sys/fs/cgroup")
#: Maximum number of threads, which limits memory.
_MAXIMUM = 32
#: Whether this thread is one of those that items are divided among.
_worker = threading.local()


def wait_passively() -> None:
    """Let the threads of OpenMP sleep while they wait, unless the environment says otherwise.

    It works only before torch is loaded, which reads the variables once. Processes that are
    started later inherit them.

    Examples
    --------
    >>> wait_passively()
    >>> os.environ["GOMP_SPINCOUNT"]
    '0'
    """
    for name, value in _PASSIVE.items():
        os.environ.setdefault(name, value)


def available_cores() -> int:
    """Return how many cores this process may use: by affinity, and by the quota of a container.

    Examples
    --------
    >>> available_cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, math.ceil(min(count, _quota(_CGROUPS))))


def _quota(folder: Path) -> float:
    """Return the cores that the control group of a container allows; infinity without a limit.

    The files are those of Linux control groups of version 2 and of version 1, where a container
    sees its own group.
    """
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (folder / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu" / "cpu.cfs_period_us").read_text()
        except OSError:
            return math.inf
    try:
        cores = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max": there is no limit
        return math.inf
    return cores if cores > 0 else math.inf


def use_available_cores() -> None:
    """Let OpenMP use as many threads as there are cores, unless the environment gives a number.

    By itself torch ignores the quota of a container, and starts a thread for each core of the
    machine. It works only before torch is loaded.

    Examples
    --------
    >>> use_available_cores()
    >>> int(os.environ["OMP_NUM_THREADS"]) >= 1
    True
    """
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(min(available_cores(), _MAXIMUM))


def in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, maximum: int | None = None
) -> Iterator[Result]:
    """Apply a function to items, on as many threads as torch is set to use.

    Dividing items among threads uses the cores better than dividing each operation, and suffers
    less from other busy processes. Each item is computed with one thread of torch, so that
    results do not depend on the number of threads.

    Parameters
    ----------
    function
        The function. It must be safe to call from several threads at once.
    items
        Its arguments. A few are taken in advance.
    maximum
        Maximum number of threads; None for all.

    Yields
    ------
    result
        The results, in the order of the items.

    Examples
    --------
    >>> list(in_threads(abs, [-1, 2, -3]))
    [1, 2, 3]
    """
    import torch

    before = torch.get_num_threads()
    threads = 1 if getattr(_worker, "busy", False) else min(before, maximum or _MAXIMUM)
    rest = iter(items)
    first = list(islice(rest, 2))
    if before > 1:
        torch.set_num_threads(1)
    try:
        if threads <= 1 or len(first) < 2:
            yield from map(function, chain(first, rest))
        else:
            yield from _in_pool(function, chain(first, rest), threads)
    finally:
        if before > 1:
            torch.set_num_threads(before)


def _in_pool(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    def work(item: Item) -> Result:
        _worker.busy = True  # what divides its work again would wait for its own thread
        try:
            return function(item)
        finally:
            _worker.busy = False

    pool = _pool(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
        wait(waiting)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return a pool that is kept: threads have memory of their own that is slow to set up."""
    return ThreadPoolExecutor(threads, "sedum")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
