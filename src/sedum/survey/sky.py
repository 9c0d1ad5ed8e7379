"""Sky catalogues in HATS, fitted partition by partition by LSDB on Dask.

LSDB owns partitions, margins and output; this gives it the function it maps. The estimator goes
to each worker once, also to one that takes the place of another that died. The optional packages
are those of ``sedum[survey]``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.infer.posterior import Posterior
from sedum.photometry.catalogue import to_photometry
from sedum.photometry.tables import read_table
from sedum.storage import digest
from sedum.survey.distribution import typicality_asked_for
from sedum.survey.fit import fit_rows, trained_model
from sedum.survey.table import arrow_table, as_stored

try:
    from dask.distributed import Client, LocalCluster, WorkerPlugin
except ImportError:  # fit_sky says what to install
    WorkerPlugin = object

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["fit_sky", "is_sky_catalogue"]

#: Files that say that a folder is a HATS catalogue or a collection of them.
_MARKS = ("collection.properties", "hats.properties", "properties")

#: What fits partitions in this process, by what it was made of.
_fitters: dict[str, PartitionFitter] = {}


def is_sky_catalogue(path: str | Path) -> bool:
    """Say whether a path is a folder in HATS."""
    return Path(path).is_dir() and any((Path(path) / mark).is_file() for mark in _MARKS)


class PartitionFitter:
    """What fits a partition: one in each process.

    Parameters
    ----------
    run, posterior
        The run file and its estimator.
    kept
        Columns that the result takes over: the coordinates.
    """

    def __init__(self, run: RunFile, posterior: Posterior, kept: list[str]):
        self.run, self.posterior, self.kept = run, posterior, kept
        self.model = trained_model(run, posterior)
        self.typicality = typicality_asked_for(posterior, self.model, run.output)

    def __call__(self, partition: pd.DataFrame) -> pd.DataFrame:
        """Return the posterior catalogue of a partition that is not empty, row for row."""
        import pandas as pd

        assert self.run.catalogue is not None
        source = "a partition of the sky catalogue"
        table = read_table(pd.DataFrame(partition))
        rows = to_photometry(table, self.run.catalogue, self.model.filters, source)
        table = fit_rows(
            self.run, self.posterior, rows, model=self.model, typicality=self.typicality
        )
        fitted = as_stored(table)
        found = arrow_table(fitted).to_pandas(types_mapper=pd.ArrowDtype)
        found.index = partition.index
        for name in self.kept:
            found[name] = partition[name]
        return found


class Broadcast(WorkerPlugin):
    """A Dask plugin that brings the estimator to each worker, once."""

    def __init__(self, token: str, run: RunFile, posterior: Posterior, kept: list[str]):
        self.name = f"sedum-{token}"
        self.token, self.run, self.kept = token, run, kept
        with tempfile.TemporaryDirectory() as folder:
            posterior.write(Path(folder) / "estimator.safetensors")
            self.weights = (Path(folder) / "estimator.safetensors").read_bytes()

    def setup(self, worker: Any) -> None:
        """Make the fitter in a worker process."""
        torch.set_num_threads(1)  # there are as many workers as cores
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "estimator.safetensors"
            path.write_bytes(self.weights)
            posterior = Posterior.read(path)
        _fitters[self.token] = PartitionFitter(self.run, posterior, self.kept)

    def teardown(self, worker: Any) -> None:
        """Forget it."""
        _fitters.pop(self.token, None)


def _fit_partition(partition: pd.DataFrame, token: str, nothing: pd.DataFrame) -> pd.DataFrame:
    """Fit a partition with the fitter of this process; ``nothing`` is the result of no row."""
    if len(partition) == 0:
        return nothing
    return _fitters[token](partition)


def fit_sky(
    run: RunFile,
    posterior: Posterior,
    catalogue: str | Path,
    output: str | Path,
    *,
    scheduler: str | None = None,
    workers: int = 2,
    show_progress: bool = False,
) -> int:
    """Fit a HATS catalogue to another of the same partitions, with its margin.

    Parameters
    ----------
    run, posterior
        As for :func:`sedum.fit`. Without ``catalogue.id`` in the run file, identifiers would be
        row numbers within a partition, so that it is required.
    catalogue
        A folder in HATS, or a collection of a catalogue and its margin.
    output
        The folder to write.
    scheduler
        Address of a Dask scheduler, ``tcp://HOST:PORT``, whose workers have sedum and see the
        folders; a cluster on this machine where None.
    workers
        Processes of that cluster, of one thread each.
    show_progress
        Show LSDB's progress bars.

    Returns
    -------
    int
        The rows written.

    Raises
    ------
    SedumError
        If the optional packages are absent, the catalogue is not in HATS, the output exists, or
        the estimator belongs to another run file.
    """
    lsdb = _lsdb()
    target = Path(output)
    if target.exists():
        raise SedumError(f"{target} exists; delete it, or choose another output")
    if not is_sky_catalogue(catalogue):
        raise SedumError(f"{catalogue} is no catalogue in HATS: a folder with hats.properties")
    if run.catalogue is None or run.catalogue.id is None:
        raise SedumError("catalogue.id: name the column of identifiers, to fit a sky catalogue")
    sky = lsdb.open_catalog(catalogue)
    info = sky.hc_structure.catalog_info
    kept = [info.ra_column, info.dec_column]
    wanted = [name for name in run.catalogue.needed() if name in sky.columns]
    sky = lsdb.open_catalog(catalogue, columns=list(dict.fromkeys([*kept, *wanted])))
    fitter = PartitionFitter(run, posterior, kept)
    # One row, fitted here, tells the columns; and what is wrong with the mapping, at once.
    nothing = fitter(sky.head(1)).iloc[:0]
    token = digest([run.model_dump(mode="json"), posterior.digest(), kept])[:16]
    with _client(scheduler, workers) as client:
        client.register_plugin(Broadcast(token, run, posterior, kept))
        fitted = sky.map_partitions(_fit_partition, token, nothing, meta=nothing)
        fitted.write_catalog(target, catalog_name=target.name, progress_bar=show_progress)
    return len(lsdb.open_catalog(target))


def _lsdb() -> Any:
    try:
        import dask.distributed  # noqa: F401
        import lsdb
    except ImportError as error:
        raise SedumError(
            f"sky catalogues need the package {error.name}; pip install 'sedum[survey]'"
        ) from None
    return lsdb


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Give a client of a scheduler, or of a cluster on this machine that ends with the body."""
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise SedumError(f"no Dask scheduler at {scheduler}: {error}") from None
        with client:
            yield client
        return
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client
