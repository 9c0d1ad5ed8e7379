"""Catalogues in HATS: the fit mapped lazily over the partitions of LSDB.

LSDB manages partitions and margins; this module provides the function that it maps. Each worker
receives the estimator once, also a worker that replaces one that died. The optional packages are
those of ``sedum[survey]``.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import torch

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.parallel.dask_cluster import broadcast, held, hold, require
from sedum.photometry.catalogue import to_photometry
from sedum.results.posterior_table import arrow_table, as_stored
from sedum.survey.fit_rows import RowFitter
from sedum.survey.measures.typicality_columns import typicality_asked_for
from sedum.tables.read import is_sky_catalogue, read_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["HatsFit", "PartitionFitter", "lazy_hats_posteriors"]


def lazy_hats_posteriors(
    run: RunFile,
    posterior: Posterior,
    catalogue: Any,
    *,
    priors: RunFile | None = None,
    client: Any = None,
) -> Any:
    """Return the posteriors of a catalogue in HATS as a lazy LSDB catalogue.

    Only one row is fitted at first, to determine the columns and to test the run file. The
    partitions are fitted when LSDB computes them: ``lazy.cone_search(...).compute()`` fits only
    the partitions in that cone. To write a whole catalogue use :func:`sedum.fit`, which can be
    resumed and keeps units, descriptions and provenance; LSDB's ``write_catalog`` drops them.

    Parameters
    ----------
    run, posterior, priors
        As for :func:`sedum.fit`. The run file needs ``catalogue.id``, since row numbers within a
        partition do not identify a galaxy.
    catalogue
        A folder in HATS, a collection of a catalogue and its margin, or a catalogue as
        ``lsdb.open_catalog`` returns it, possibly searched or filtered.
    client
        The Dask client that will compute; the active client if None. Without a client,
        partitions are fitted in this process, one after the other.

    Returns
    -------
    lsdb.Catalog
        A catalogue with the same partitions, rows and margin, with the coordinates and the
        columns of a posterior catalogue.

    Raises
    ------
    SedumError
        If LSDB is not installed, the catalogue is not in HATS or has no rows, it does not have
        the columns of the run file, or the estimator belongs to another run file.

    Examples
    --------
    >>> import lsdb  # needs lsdb
    >>> frame = catalogue.to_pandas()
    >>> frame["ra"], frame["dec"] = np.linspace(150, 151, len(frame)), 2.2
    >>> lazy = lazy_hats_posteriors(run, posterior, lsdb.from_dataframe(frame))
    >>> nearby = lazy.cone_search(ra=150.0, dec=2.2, radius_arcsec=900).compute()
    >>> nearby.columns[:2].tolist()
    ['id', 'status']
    """
    prepared = HatsFit.prepare(run, posterior, catalogue, priors)
    client = client or _active_client()
    if client is not None:
        broadcast(client, prepared.token, prepared.make())
    return prepared.lazy()


def _active_client() -> Any:
    from distributed import get_client

    try:
        return get_client()
    except ValueError:
        return None


class PartitionFitter:
    """Fits partitions; there is one in each process.

    Parameters
    ----------
    run, posterior, priors
        The run file, its estimator, and a run file with other priors or None.
    name
        Name of the catalogue.
    kept
        Names of the columns to copy to the result: the coordinates.
    threads
        Threads of torch for each partition. If None, the number is not changed, and partitions
        are fitted one at a time.
    """

    def __init__(
        self,
        run: RunFile,
        posterior: Posterior,
        priors: RunFile | None,
        name: str,
        kept: list[str],
        threads: int | None = None,
    ):
        self.run, self.posterior, self.priors = run, posterior, priors
        self.name, self.kept, self.threads = name, kept, threads
        model = trained_model(run, posterior)
        typicality = typicality_asked_for(posterior, model, run.output)
        self.rows = RowFitter(run, posterior, model, priors, typicality=typicality)
        self._turn = threading.Lock() if threads is None else nullcontext()
        self.nothing: pd.DataFrame | None = None
        self.schema: pa.Schema | None = None

    def try_on(self, row: pd.DataFrame) -> None:
        """Fit one row, to learn the columns, units and descriptions of the result."""
        run, verify = self.run, self.run.output.verify
        if verify is not None and verify.nested:  # takes minutes, and gives the same columns
            quick = verify.model_copy(update={"nested": False})
            output = run.output.model_copy(update={"verify": quick})
            run = run.model_copy(update={"output": output})
        posteriors = self._fit(row, run)
        self.nothing = self._frame(posteriors, row).iloc[:0]
        meta = dict(posteriors.schema.metadata)
        provenance = json.loads(meta[b"sedum"]) | {"run": self.run.model_dump(mode="json")}
        meta[b"sedum"] = json.dumps(provenance, sort_keys=True).encode()
        self.schema = posteriors.schema.with_metadata(meta)

    def __call__(self, partition: pd.DataFrame) -> pd.DataFrame:
        """Return the posterior catalogue of a partition, with the same rows."""
        if self.nothing is not None and not len(partition):
            return self.nothing
        return self._frame(self._fit(partition, self.run), partition)

    def _fit(self, partition: pd.DataFrame, run: RunFile) -> pa.Table:
        """Return the posteriors of a partition, with units, descriptions and provenance."""
        import pandas as pd

        assert run.catalogue is not None
        with self._turn:
            if self.threads is not None:
                # Each thread has its own number, and the rounding of sums depends on it.
                torch.set_num_threads(self.threads)
            source = f"a partition of sky catalogue {self.name}"
            table = read_table(pd.DataFrame(partition))
            rows = to_photometry(table, run.catalogue, self.rows.model.filters, source)
            table = replace(self.rows, run=run).fit(rows)
        table.meta["catalogue"] = self.name
        return arrow_table(as_stored(table))

    def _frame(self, posteriors: pa.Table, partition: pd.DataFrame) -> pd.DataFrame:
        """Return posteriors with the coordinates of the partition."""
        import pandas as pd

        frame = posteriors.to_pandas(types_mapper=pd.ArrowDtype)
        frame.index = partition.index
        for name in self.kept:
            frame[name] = partition[name]
        return frame


class _Make:
    """Creates the fitter in a worker."""

    def __init__(self, fitter: PartitionFitter):
        self.run, self.priors = fitter.run, fitter.priors
        self.name, self.kept = fitter.name, fitter.kept
        self.nothing, self.schema = fitter.nothing, fitter.schema
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "estimator.safetensors"
            fitter.posterior.write(path)
            self.weights = path.read_bytes()

    def __call__(self) -> PartitionFitter:
        """Create the fitter. Each thread of a worker is one of Dask's, so torch uses one."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "estimator.safetensors"
            path.write_bytes(self.weights)
            posterior = Posterior.read(path)
        fitter = PartitionFitter(self.run, posterior, self.priors, self.name, self.kept, threads=1)
        fitter.nothing, fitter.schema = self.nothing, self.schema
        return fitter


@dataclass(frozen=True)
class HatsFit:
    """A catalogue in HATS, and what fits it.

    Attributes
    ----------
    sky
        The LSDB catalogue, with the columns that are needed.
    fitter
        Fits partitions in this process.
    token
        Unique key of the fitter in the workers, which drop it at the end of the fit.
    """

    sky: Any
    fitter: PartitionFitter
    token: str

    @classmethod
    def prepare(
        cls, run: RunFile, posterior: Posterior, catalogue: Any, priors: RunFile | None
    ) -> HatsFit:
        """Open the catalogue and fit one of its rows; see :func:`lazy_hats_posteriors`."""
        require("lsdb")
        if run.catalogue is None or run.catalogue.id is None:
            raise SedumError("catalogue.id: name the column of identifiers, to fit a sky catalogue")
        sky, kept = _open(catalogue, run.catalogue.needed())
        fitter = PartitionFitter(run, posterior, priors, sky.name, kept)
        fitter.try_on(_first_row(sky))
        return cls(sky, fitter, uuid4().hex)

    def make(self) -> Callable[[], PartitionFitter]:
        """Return a function that creates the fitter in a worker."""
        return _Make(self.fitter)

    def lazy(self) -> Any:
        """Return the lazy LSDB catalogue of the posteriors."""
        hold(self.token, self.fitter)
        return self.sky.map_partitions(_fit_partition, self.token, meta=self.fitter.nothing)


def _open(catalogue: Any, needed: list[str]) -> tuple[Any, list[str]]:
    """Return a catalogue with the columns that are read, and the names of its coordinates."""
    import lsdb

    if isinstance(catalogue, str | Path):
        if not is_sky_catalogue(catalogue):
            raise SedumError(f"{catalogue} is no catalogue in HATS: a folder with hats.properties")
        sky = lsdb.open_catalog(catalogue)
    else:
        sky = catalogue
    info = sky.hc_structure.catalog_info
    kept = [info.ra_column, info.dec_column]
    known = sky.all_columns if sky is not catalogue else sky.columns
    # Missing columns are reported when the first row is read.
    columns = list(dict.fromkeys([*kept, *(name for name in needed if name in known)]))
    if sky is catalogue:
        return sky[columns], kept
    return lsdb.open_catalog(catalogue, columns=columns), kept


def _first_row(sky: Any) -> pd.DataFrame:
    """Return the first row of the first partition that has one."""
    for pixel in sky.get_ordered_healpix_pixels():
        rows = sky.partitions[[pixel]].compute(progress_bar=False)
        if len(rows):
            return rows.iloc[:1]
    raise SedumError(f"sky catalogue {sky.name} has no rows")


def _fit_partition(partition: pd.DataFrame, token: str) -> pd.DataFrame:
    """Fit a partition with the fitter of this process."""
    return held(token)(partition)
