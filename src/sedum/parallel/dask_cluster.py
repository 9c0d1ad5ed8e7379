"""Dask clients and workers: connecting, checking and sending objects to them.

Nothing here is needed in a single process. The optional packages are those of ``sedum[survey]``.
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

#: Packages that must have the same version on all workers: those that encode Dask's messages, and
#: those that results depend on.
_SAME = (
    "dask", "distributed", "cloudpickle", "msgpack", "pandas", "pyarrow", "lsdb", "hats",
    "nested-pandas", "numpy", "torch", "zuko", "bagpipes", "astro-sedpy",
)  # fmt: skip
#: Seconds to wait for a scheduler, and for its first worker.
_PATIENCE, _FIRST_WORKER = 10, 30

#: Objects that were sent to this process, by their token.
_held: dict[str, Any] = {}


def require(*packages: str) -> None:
    """Check that Dask and other packages of ``sedum[survey]`` are installed.

    Parameters
    ----------
    *packages
        Further packages to check, by their import name.

    Raises
    ------
    SedumError
        If a package is missing; the message names it.
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
    """Yield a Dask client whose workers run the same version of sedum as this process.

    Parameters
    ----------
    client
        An existing client. It is left open.
    scheduler
        Address of a scheduler to connect to if there is no client: ``tcp://HOST:PORT``.
    workers
        Number of single-threaded processes to start on this machine if there is neither a client
        nor a scheduler. They end with the body of the ``with`` statement.

    Raises
    ------
    SedumError
        If a required package is missing, the scheduler does not answer or has no workers, or a
        worker has another version of sedum or of a package that matters, or none.
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
                # Any free port: Dask warns if the default one is in use.
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
    """Check that there are workers and that their packages match those of this process."""
    try:
        client.wait_for_workers(1, timeout=_FIRST_WORKER)
    except TimeoutError:
        address = client.scheduler.address
        raise SedumError(
            f"the Dask scheduler at {address} has no workers; start some: dask worker {address}"
        ) from None

    # A local function is pickled by value, so a worker without sedum can run it.
    def probe(packages: tuple[str, ...]) -> dict[str, str | None]:
        import platform
        from importlib import metadata

        installed: dict[str, str | None] = {"python": ".".join(platform.python_version_tuple()[:2])}
        try:
            from sedum import _version

            installed["sedum"] = _version.__version__
        except ImportError:
            installed["sedum"] = None
        for name in packages:
            try:
                installed[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                installed[name] = None
        return installed

    here = probe(_SAME)
    for worker, there in client.run(probe, _SAME).items():
        if there["sedum"] is None:
            raise SedumError(
                f"Dask worker {worker} has no sedum; install {here['sedum']} there: "
                "pip install 'sedum[survey]'"
            )
        differing = [name for name, version in here.items() if version not in (None, there[name])]
        if differing:
            listed = ", ".join(f"{n} {there[n] or 'absent'} (here {here[n]})" for n in differing)
            raise SedumError(f"Dask worker {worker} has other versions: {listed}; install the same")


def check_sees(client: Any, path: Path, what: str) -> None:
    """Check that every worker can read a file or folder of this machine.

    Parameters
    ----------
    client
        Dask client.
    path
        File or folder.
    what
        Word for it in the message, such as ``"catalogue"``.

    Raises
    ------
    SedumError
        If a worker does not see it; the message names the worker.
    """
    import os

    for worker, there in client.run(os.path.exists, str(path.resolve())).items():
        if not there:
            raise SedumError(
                f"Dask worker {worker} does not see {what} {path}; use a file system that all "
                f"workers share with {platform.node()}"
            )


class BroadcastPlugin(WorkerPlugin):
    """Dask plugin that creates an object once in each worker, also in workers that join later."""

    def __init__(self, token: str, make: Callable[[], Any]):
        self.name = f"sedum-{token}"
        self.token, self.make = token, make

    def setup(self, worker: Any) -> None:
        """Create the object in a worker process."""
        import torch

        self.threads = torch.get_num_threads()
        hold(self.token, self.make())

    def teardown(self, worker: Any) -> None:
        """Remove the object and restore the number of threads."""
        import torch

        _held.pop(self.token, None)
        torch.set_num_threads(self.threads)  # the worker may be a thread of this process


def broadcast(client: Any, token: str, make: Callable[[], Any]) -> None:
    """Create an object in each worker, and in each that replaces a worker that died.

    Parameters
    ----------
    client
        Dask client.
    token
        Key by which :func:`held` returns the object.
    make
        Function without arguments that creates the object. It is sent to the workers.

    Raises
    ------
    SedumError
        If the object cannot be created in a worker.
    """
    client.register_plugin(BroadcastPlugin(token, make))


@contextmanager
def brought(client: Any, token: str, make: Callable[[], Any]) -> Iterator[None]:
    """Do as :func:`broadcast`, and remove the object from the workers when the body ends.

    Parameters
    ----------
    client, token, make
        As for :func:`broadcast`.
    """
    broadcast(client, token, make)
    try:
        yield
    finally:
        if client.status == "running":  # else the scheduler is gone, and with it the workers
            client.unregister_worker_plugin(f"sedum-{token}")


def hold(token: str, what: Any) -> None:
    """Store an object in this process for :func:`held`.

    Parameters
    ----------
    token
        Key of the object.
    what
        The object.

    Examples
    --------
    >>> hold("example", 42)
    >>> held("example")
    42
    """
    _held[token] = what


def held(token: str) -> Any:
    """Return the object that was stored in this process under a token.

    Parameters
    ----------
    token
        Key of the object.

    Raises
    ------
    SedumError
        If there is none.

    Examples
    --------
    >>> hold("example", "a model")
    >>> held("example")
    'a model'
    """
    if token not in _held:
        raise SedumError(
            "this Dask worker was not given what it needs; start the client before "
            "sedum.survey.lazy_hats_posteriors is called, or give it that client"
        )
    return _held[token]


def completed(client: Any, futures: dict[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the key and the result of each future as it completes.

    Each result is released by its worker then. When the caller stops early, the remaining futures
    are cancelled.

    Parameters
    ----------
    client
        Dask client of the futures.
    futures
        Keys by future.

    Yields
    ------
    key, result
        Key of the future and the value that its task returned.

    Raises
    ------
    SedumError
        If a task raised one, or could not read or write a file; if the same task killed several
        workers; or if the scheduler is gone.
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
    """Return the result of a task, or raise an error that explains why there is none."""
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
            f"the Dask scheduler at {client.scheduler.address} is gone; call again: finished "
            "work is kept"
        ) from None
    except Exception as error:
        # LSDB names the partition; the cause of its exception gives the reason.
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, SedumError | OSError):
            cause = cause.__cause__
        if cause is None:
            raise
        raise SedumError(str(error)) from None
