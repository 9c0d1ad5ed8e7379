"""Fitting a catalogue of any kind and size: one function for tables, files, folders and HATS."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, TypedDict, Unpack, overload

from astropy.table import Table

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.photometry.catalogue import read_for_run
from sedum.results.posterior_table import write_table
from sedum.survey.fit_output import FitSummary, check_output
from sedum.survey.fit_parts import PART_ROWS, fit_parts
from sedum.survey.fit_rows import RowFitter
from sedum.tables.read import TableLike, is_sky_catalogue, name_of

__all__ = ["fit"]


class FitOptions(TypedDict, total=False):
    """The options of :func:`sedum.fit`, which describes them.

    Examples
    --------
    >>> options: FitOptions = {"workers": 2, "show_progress": True}
    """

    model: Simulator | None
    priors: RunFile | None
    workers: int
    part_rows: int
    client: Any
    scheduler: str | None
    show_progress: bool


@overload
def fit(
    run: RunFile,
    posterior: Posterior,
    catalogue: str | Path,
    output: str | Path,
    **options: Unpack[FitOptions],
) -> FitSummary: ...


@overload
def fit(
    run: RunFile,
    posterior: Posterior,
    catalogue: Any,
    output: str | Path | None = None,
    **options: Unpack[FitOptions],
) -> Table: ...


def fit(
    run: RunFile,
    posterior: Posterior,
    catalogue: Any,
    output: str | Path | None = None,
    *,
    model: Simulator | None = None,
    priors: RunFile | None = None,
    workers: int = 1,
    part_rows: int = PART_ROWS,
    client: Any = None,
    scheduler: str | None = None,
    show_progress: bool = False,
) -> Table | FitSummary:
    """Fit all rows of a catalogue: percentiles of every parameter and derived quantity.

    Rows keep their order. A row that cannot be fitted keeps its place, and the column ``status``
    says why. The draws of a galaxy depend on its identifier and the seed alone.

    A file or folder with an ``output`` is fitted part by part, in the memory of a few parts.
    Each part is kept in the folder ``OUTPUT.parts`` until all are there: a fit that was
    interrupted or killed continues with the missing parts when the same call is repeated, to the
    same result. A catalogue in HATS is fitted partition by partition on Dask.

    Parameters
    ----------
    run
        The run file. Its ``catalogue`` section says how to read the catalogue.
    posterior
        The estimator trained for it.
    catalogue
        A table in memory (astropy or pandas), a file (FITS, Parquet, HDF5, VOTable, CSV, ECSV or
        ASCII), a folder of Parquet files, or a catalogue in HATS (a folder, or as
        ``lsdb.open_catalog`` returns it).
    output
        Where to write the posterior catalogue: FITS, ECSV or Parquet by its extension; a folder
        of Parquet files without one; for HATS, the folder of a HATS collection. If None, nothing
        is written, and the catalogue must fit in memory.
    model
        The forward model, if the caller has it already.
    priors
        A run file whose priors replace those of the training, by weighting the draws: the same
        model, and priors within the support of the old ones. Columns ``prior_ess`` and
        ``prior_k_hat`` say how well that worked. Rows with too few effective draws have a
        status that says so.
    workers
        Processes that share parts or partitions, or nested sampling where ``output.verify`` of
        the run file asks for it.
    part_rows
        Rows of a part.
    client, scheduler
        For HATS: a Dask client, or the address of its scheduler, ``tcp://HOST:PORT``. Without
        them, ``workers`` processes of this machine are used.
    show_progress
        Show a progress bar.

    Returns
    -------
    Table or FitSummary
        The posterior catalogue, if the catalogue was a table in memory or nothing was written.
        Otherwise a summary: the path, the number of rows and how many have each status. Read the
        output with :class:`sedum.PosteriorCatalogue` or any table reader.

    Raises
    ------
    SedumError
        If the output cannot be written (before any work), the estimator belongs to another run
        file, the catalogue cannot be read, the other priors reach beyond those of the training,
        or another process is fitting to the same output.

    Examples
    --------
    >>> table = fit(run, posterior, catalogue)
    >>> table.colnames[:3]
    ['id', 'status', 'n_bands']
    >>> catalogue.write("cat.fits")
    >>> fit(run, posterior, "cat.fits", "posteriors.fits").rows
    20
    """
    if _is_hats(catalogue):
        if output is None:
            raise SedumError(
                "fit: a catalogue in HATS needs an output folder; "
                "sedum.survey.lazy_hats_posteriors returns a lazy catalogue instead"
            )
        from sedum.survey.fit_hats import fit_hats

        return fit_hats(
            run,
            posterior,
            catalogue,
            output,
            priors=priors,
            client=client,
            scheduler=scheduler,
            workers=workers,
            show_progress=show_progress,
        )
    if client is not None or scheduler is not None:
        raise SedumError("fit: client and scheduler are for catalogues in HATS")
    if output is not None and isinstance(catalogue, str | Path):
        return fit_parts(
            run,
            posterior,
            catalogue,
            output,
            model=model,
            priors=priors,
            workers=workers,
            part_rows=part_rows,
            show_progress=show_progress,
        )
    target = check_output(output, catalogue) if output is not None else None
    return _fit_in_memory(
        run, posterior, catalogue, target, model, priors, workers, show_progress=show_progress
    )


def _is_hats(catalogue: Any) -> bool:
    """Say whether a catalogue is a HATS folder, or one that LSDB has opened."""
    if isinstance(catalogue, str | Path):
        return is_sky_catalogue(catalogue)
    return hasattr(catalogue, "hc_structure")


def _fit_in_memory(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike,
    target: Path | None,
    model: Simulator | None,
    priors: RunFile | None,
    workers: int,
    *,
    show_progress: bool,
) -> Table:
    """Fit a catalogue that is read whole; write it where a target is given."""
    model = trained_model(run, posterior, model)
    rows = read_for_run(catalogue, run, model.filters)
    # Nested sampling takes minutes: what it yields is kept until the output is written.
    kept = target.with_name(f"{target.name}.nested") if target is not None else None
    fitter = RowFitter(run, posterior, model, priors, kept, workers)
    table = fitter.fit(rows, show_progress=show_progress)
    table.meta["catalogue"] = Path(name_of(catalogue)).name
    if target is not None and kept is not None:
        write_table(table, target)
        shutil.rmtree(kept, ignore_errors=True)
    return table
