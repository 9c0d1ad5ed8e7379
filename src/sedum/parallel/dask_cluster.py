"""Dask: a client of a scheduler or of this machine's cores, and what its workers must have.

Nothing here is needed on one process. The optional packages are those of ``sedum[survey]``.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sedum.errors import SedumError

try:
    from distributed import Client, LocalCluster, WorkerPlugin
except ImportError:  # require() says what to install
    WorkerPlugin = object

__all__ = [
    "broadcast",
    "brought",
    "check_sees",
    "completed",
    "connected",
    "held",
    "hold",
    "require",
]

#: Packages whose versions have to be the same everywhere: those that Dask's messages are made
#: with, and those that results depend on.
_SAME = (
    "dask", "distributed", "cloudpickle", "msgpack", "pandas", "pyarrow", "lsdb", "hats",
    "nested-pandas", "numpy", "torch", "zuko", "bagpipes", "astro-sedpy",
)  # fmt: skip
#: Seconds to wait for a scheduler, and for the first of its workers.
_PATIENCE, _FIRST_WORKER = 10, 30

#: What was brought to this process, by its token.
_held: dict[str, Any] = {}


def require(*packages: str) -> None:
    """Make sure that Dask is installed, and other packages of ``sedum[survey]``.

    Raises
    ------
    SedumError
        Naming the package that is absent.
    """
    import importlib

    try:
        for name in ("distributed", *packages):
            importlib.import_module(name)
    except ImportError as error:
        raise SedumError(
            f"work on Dask needs the package {error.name}; pip install 'sedum[survey]'"
        ) from None


@contextmanager
def connected(client: Any = None, scheduler: str | None = None, workers: int = 1) -> Iterator[Any]:
    """Give a client whose workers have the same sedum as this process.

    Parameters
    ----------
    client
        A client that the caller has; it is left open.
    scheduler
        Otherwise, the address of a scheduler: ``tcp://HOST:PORT``.
    workers
        Otherwise, processes on this machine, of one thread each, that end with the body.

    Raises
    ------
    SedumError
        If the packages are absent, there is no scheduler or it has no workers, or sedum or
        another package is absent from a worker or of another version there.
    """
    require()
    if client is not None:
        if scheduler is not None:
            raise SedumError("client and scheduler exclude each other; give one")
        _check_workers(client)
        yield client
        return
    if scheduler is None:
        with (
            LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address=None,
                # Its own port would be asked for, and its being taken told.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SedumError(f"no Dask scheduler at {scheduler}: {error}") from None
    with client:
        _check_workers(client)
        yield client


def _check_workers(client: Any) -> None:
    """Make sure that there are workers, and that they have what this process has."""
    try:
        client.wait_for_workers(1, timeout=_FIRST_WORKER)
    except TimeoutError:
        address = client.scheduler.address
        raise SedumError(
            f"the Dask scheduler at {address} has no workers; start some: dask worker {address}"
        ) from None

    # Local, so that it travels by value: a worker without sedum can run it and say so.
    def probe(packages: tuple[str, ...]) -> dict[str, str | None]:
        import platform
        from importlib import metadata

        found: dict[str, str | None] = {"python": ".".join(platform.python_version_tuple()[:2])}
        try:
            from sedum import _version

            found["sedum"] = _version.__version__
        except ImportError:
            found["sedum"] = None
        for name in packages:
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                found[name] = None
        return found

    here = probe(_SAME)
    for worker, there in client.run(probe, _SAME).items():
        if there["sedum"] is None:
            raise SedumError(
                f"Dask worker {worker} has no sedum; install {here['sedum']} there: "
                "pip install 'sedum[survey]'"
            )
        differing = [name for name, version in here.items() if version not in (None, there[name])]
        if differing:
            told = ", ".join(f"{n} {there[n] or 'absent'} (here {here[n]})" for n in differing)
            raise SedumError(f"Dask worker {worker} has other versions: {told}; install the same")


def check_sees(client: Any, path: Path, what: str) -> None:
    """Make sure that every worker sees a file or folder of this machine.

    Raises
    ------
    SedumError
        Naming a worker that does not.
    """
    import os

    for worker, there in client.run(os.path.exists, str(path.resolve())).items():
        if not there:
            raise SedumError(
                f"Dask worker {worker} does not see {what} {path}; use a file system that all "
                f"workers share with {platform.node()}"
            )


class Broadcast(WorkerPlugin):
    """A Dask plugin that makes something once in each worker, also in one that joins later."""

    def __init__(self, token: str, make: Callable[[], Any]):
        self.name = f"sedum-{token}"
        self.token, self.make = token, make

    def setup(self, worker: Any) -> None:
        """Make it in a worker process."""
        import torch

        self.threads = torch.get_num_threads()
        hold(self.token, self.make())

    def teardown(self, worker: Any) -> None:
        """Forget it."""
        import torch

        _held.pop(self.token, None)
        torch.set_num_threads(self.threads)  # the worker may be a thread of a living process


def broadcast(client: Any, token: str, make: Callable[[], Any]) -> None:
    """Bring something to each worker, and to each that takes the place of another that died.

    Parameters
    ----------
    client
        A client.
    token
        What :func:`held` finds it by.
    make
        Makes it; travels to the workers.

    Raises
    ------
    SedumError
        If it cannot be made in a worker.
    """
    client.register_plugin(Broadcast(token, make))


@contextmanager
def brought(client: Any, token: str, make: Callable[[], Any]) -> Iterator[None]:
    """As :func:`broadcast`; the workers forget it when the body ends."""
    broadcast(client, token, make)
    try:
        yield
    finally:
        if client.status == "running":  # else the scheduler is gone, and with it the workers
            client.unregister_worker_plugin(f"sedum-{token}")


def hold(token: str, what: Any) -> None:
    """Keep something in this process for :func:`held`."""
    _held[token] = what


def held(token: str) -> Any:
    """Return what was brought to this process.

    Raises
    ------
    SedumError
        If nothing was.
    """
    if token not in _held:
        raise SedumError(
            "this Dask worker was not given what it needs; start the client before "
            "sedum.survey.lazy_hats_posteriors is called, or give it that client"
        )
    return _held[token]


def completed(client: Any, futures: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield what each future stands for, and its result, as they are done.

    Results are forgotten by the workers then; what is not done when the caller leaves is
    cancelled.

    Parameters
    ----------
    client
        The client they are of.
    futures
        What each stands for.

    Raises
    ------
    SedumError
        If a task raised it or could not read or write a file, workers died of the same task again
        and again, or the scheduler is gone.
    """
    from distributed import as_completed

    waiting = dict(futures)
    try:
        for future in as_completed(list(waiting), loop=client.loop):
            result = _result(client, future)
            yield waiting.pop(future), result
            future.release()
    finally:
        client.cancel(list(waiting))


def _result(client: Any, future: Any) -> Any:
    """Return what a task returned, or say why there is nothing."""
    from concurrent.futures import CancelledError

    from distributed import KilledWorker
    from distributed.comm.core import CommClosedError

    try:
        return future.result()
    except KilledWorker as error:
        raise SedumError(
            f"{error.allowed_failures + 1} Dask workers died of the same task ({error.task}); give "
            "each more memory: fewer workers, or smaller partitions or chunks"
        ) from None
    except (CancelledError, CommClosedError):
        raise SedumError(
            f"the Dask scheduler at {client.scheduler.address} is gone; the same call goes on with "
            "what is missing"
        ) from None
    except Exception as error:
        # LSDB says in which partition; the reason is behind that.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SedumError | OSError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise SedumError(str(error)) from None
