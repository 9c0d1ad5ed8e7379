"""Writing p(z) of a catalogue as a ``qp`` ensemble, the format that photo-z tools exchange.

The file is that of ``qp`` (package qp-prob): densities on a grid, kind ``interp``, with
identifiers and point estimates. The optional package is that of ``sedum[qp]``.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from sedum.config import PzSettings
from sedum.errors import SedumError
from sedum.galaxies.model_parameters import prior_of
from sedum.progress import progress
from sedum.results.posterior_catalogue import PosteriorCatalogue
from sedum.results.provenance import read_metadata, swapped_run
from sedum.storage import atomic_path, check_writable
from sedum.survey.measures.quantiles import quantile_draws
from sedum.survey.measures.redshift_density import density_peak, normalise_density, redshift_density
from sedum.survey.measures.summaries import pz_bounds, pz_grid

__all__ = ["QpSummary", "to_qp"]

#: Number of draws that stored quantiles are converted to, evenly spaced in probability.
_FROM_QUANTILES = 1000
#: Columns from which p(z) can be computed, in the order of preference.
_SOURCES = ("pz", "redshift_draws", "redshift_quantiles")


@dataclass(frozen=True)
class QpSummary:
    """Summary of an ensemble that was written.

    Attributes
    ----------
    path
        Path of the file.
    rows
        Number of densities, one for each row of the catalogue.
    flat
        Number of flat densities: the row was not fitted, or its posterior lies outside the grid.
    source
        Name of the column that the densities come from.
    """

    path: Path
    rows: int
    flat: int
    source: str


def to_qp(
    results: str | Path,
    output: str | Path,
    *,
    portion: int = 10_000,
    show_progress: bool = False,
) -> QpSummary:
    """Write p(z) of a posterior catalogue as a ``qp`` ensemble.

    The ensemble has the rows of the catalogue, in the same order. A row that was not fitted, or
    whose posterior lies outside the grid, has a flat density. In the ancillary table ``fitted``
    is false for it, and ``status`` says why.

    Parameters
    ----------
    results
        The posterior catalogue (FITS, Parquet or ECSV), with a column ``pz``, ``redshift_draws``
        or ``redshift_quantiles``; see ``output.pz``, ``save_draws`` and ``quantiles`` of the run
        file. Without ``pz``, densities are computed on the grid of ``output.pz: {}``.
    output
        The file to write, with the extension ``.hdf5``.
    portion
        Number of rows in memory at a time.
    show_progress
        Show a progress bar.

    Returns
    -------
    QpSummary
        Summary of the output. ``qp.read(output)`` reads the ensemble. Its ancillary columns are
        ``id``, ``status``, ``fitted``, ``z_mode`` and ``z_median`` (NaN if not fitted) and, if the
        catalogue has redshifts, ``z_spec``.

    Raises
    ------
    SedumError
        If the package qp-prob is not installed, the catalogue has none of the columns, or a file
        cannot be read or written.

    Examples
    --------
    >>> import qp  # needs qp
    >>> import sedum
    >>> from sedum.config import PzSettings
    >>> output = run.output.model_copy(update={"pz": PzSettings()})
    >>> with_pz = run.model_copy(update={"output": output})
    >>> table = sedum.fit(with_pz, posterior, catalogue, "posteriors.parquet")
    >>> to_qp("posteriors.parquet", "pz.hdf5").rows
    20
    >>> int(qp.read("pz.hdf5").npdf)
    20
    """
    qp = _qp()
    target = check_writable(output)
    if target.suffix.lower() not in (".hdf5", ".h5"):
        raise SedumError(f"cannot write {target}: qp ensembles are HDF5; give a name ending .hdf5")
    catalogue = PosteriorCatalogue.open(results)
    source = next((name for name in _SOURCES if name in catalogue.columns), None)
    if source is None:
        raise SedumError(
            f"{results} has no column {', '.join(_SOURCES[:-1])} or {_SOURCES[-1]}; fit again with "
            "output.pz: {} in the run file"
        )
    metadata = read_metadata(results)
    if catalogue.rows == 0:
        raise SedumError(f"{results} has no rows; qp has no ensemble of none")
    grid, bounds = _grid(catalogue, source, metadata)
    names = [source, "id", "status", "redshift_p50"]
    names += [n for n in ("redshift_catalogue", "redshift_mode") if n in catalogue.columns]
    widths = _widths(catalogue, portion)
    flat, start = 0, 0
    with atomic_path(target) as temporary, ExitStack() as open_files:
        advance = open_files.enter_context(
            progress(catalogue.rows, "writing", "galaxies", show_progress)
        )
        file = None
        for table in catalogue.stream(names, portion):
            density, fitted = _densities(source, table, grid, bounds)
            ancil = _ancillary(table, density, fitted, grid, widths)
            data = {"xvals": grid, "yvals": density, "norm": False}  # they are normalised
            ensemble = qp.Ensemble(qp.interp, data, ancil=ancil)
            if file is None:
                _, file = ensemble.initializeHdf5Write(str(temporary), catalogue.rows)
                open_files.callback(file.close)
                file.attrs["sedum"] = metadata.get("sedum", "{}")
            ensemble.writeHdf5Chunk(file, start, start + len(density))
            start, flat = start + len(density), flat + int((~fitted).sum())
            advance(len(density))
        ensemble.finalizeHdf5Write(file)
    return QpSummary(target, catalogue.rows, flat, source)


def _qp() -> Any:
    try:
        import qp
    except ImportError as error:
        raise SedumError(
            f"qp ensembles need the package {error.name}; pip install 'sedum[qp]'"
        ) from None
    return qp


def _grid(
    results: PosteriorCatalogue, source: str, metadata: dict[str, str]
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Return the redshifts of the densities, and the bounds of the prior if they are computed."""
    if source == "pz":
        if "pz_grid" not in metadata:
            raise SedumError(
                f"{results.path} does not say at which redshifts its column pz is: pz_grid"
            )
        return np.array(json.loads(metadata["pz_grid"])), None
    run = swapped_run(results.run, results.provenance) or results.run
    prior = prior_of(run.model, run.priors)
    return pz_grid(prior, run.output.pz or PzSettings()), pz_bounds(prior)


def _widths(results: PosteriorCatalogue, portion: int) -> dict[str, int]:
    """Return the bytes of the longest texts, since texts of a column in HDF5 have one width."""
    widths: dict[str, int] = {}
    for table in results.stream(["id", "status"], portion):
        for name in table.colnames:
            if table[name].dtype.kind == "U":
                width = np.char.encode(np.asarray(table[name]), "utf-8").dtype.itemsize
                widths[name] = max(widths.get(name, 1), width)
    return widths


def _densities(
    source: str, table: Table, grid: np.ndarray, bounds: tuple[float, float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return densities of integral one, [n, g] in 32 bits, and whether each is fitted, [n]."""
    values = np.asarray(table[source], np.float64)
    if source == "pz":
        density = values
    else:
        draws = values if source == "redshift_draws" else quantile_draws(values, _FROM_QUANTILES)
        density = normalise_density(redshift_density(draws, grid, bounds), grid, draws)
    total = np.trapezoid(density, grid, axis=1)
    fitted = np.isfinite(total) & (total > 0)
    out = np.full(density.shape, 1 / (grid[-1] - grid[0]))
    out[fitted] = density[fitted] / total[fitted, None]
    return out.astype(np.float32), fitted


def _ancillary(
    table: Table,
    density: np.ndarray,
    fitted: np.ndarray,
    grid: np.ndarray,
    widths: dict[str, int],
) -> dict[str, np.ndarray]:
    """Return the ancillary columns, each [n]."""
    if "redshift_mode" in table.colnames:
        mode = np.where(fitted, np.asarray(table["redshift_mode"]), np.nan)
    else:
        mode = np.where(fitted, density_peak(density.astype(np.float64), grid), np.nan)
    columns = {
        "id": np.asarray(table["id"]),
        "status": np.asarray(table["status"]),
        "fitted": fitted,
        "z_mode": np.asarray(mode, np.float64),
        "z_median": np.asarray(table["redshift_p50"], np.float64),
    }
    if "redshift_catalogue" in table.colnames:
        columns["z_spec"] = np.asarray(table["redshift_catalogue"], np.float64)
    for name, width in widths.items():
        columns[name] = np.char.encode(columns[name], "utf-8").astype(f"S{width}")
    return columns
