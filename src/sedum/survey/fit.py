"""Fitting a catalogue: every row keeps its place, with its posterior or the reason for none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import numpy as np
from astropy.table import Column, Table

from sedum.config import OutputSettings, RunFile
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior, training_fingerprint
from sedum.infer.verify.typicality import Typicality
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.catalogue import CatalogueRows, read_for_run
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import RowStatus
from sedum.progress import progress
from sedum.results.posterior_table import check_format, describe, write_table
from sedum.storage import check_writable
from sedum.survey.measures.prior_bounds import PriorBounds
from sedum.survey.measures.summaries import Summaries
from sedum.survey.measures.swapped_prior import SwappedPrior
from sedum.survey.measures.typicality_columns import TypicalityColumns, typicality_asked_for
from sedum.survey.measures.verification import Verification
from sedum.tables.read import TableLike, name_of

__all__ = [
    "check_output",
    "fit",
    "fit_rows",
    "give_redshifts",
    "mark_unfit",
    "object_keys",
    "trained_model",
]


def fit(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike,
    output: str | Path,
    *,
    model: Simulator | None = None,
    workers: int = 1,
    priors: RunFile | None = None,
    show_progress: bool = True,
) -> Table:
    """Fit all rows of a catalogue file and write the posterior catalogue.

    Parameters
    ----------
    run
        The run file; its ``catalogue`` section says how to read the file.
    posterior
        The trained estimator.
    catalogue
        A file (FITS, Parquet, HDF5, VOTable, CSV, ECSV or ASCII), an astropy Table or a pandas
        DataFrame.
    output
        FITS, ECSV or Parquet, by its extension.
    model
        The forward model, where the caller has it already.
    workers
        Processes for nested sampling, where ``output.verify`` asks for it. What it finds is kept
        beside the output until that is written: interrupted, it goes on where it stopped.
    priors
        A run file whose priors take the place of those trained with, by weighing the draws
        again: the same model, and priors within the support of the old ones. Columns
        ``prior_ess`` and ``prior_k_hat`` say how well that went; rows with too few effective
        draws have a status that says so.
    show_progress
        Show a progress bar.

    Returns
    -------
    Table
        What was written, rows in the order of the catalogue.

    Raises
    ------
    SedumError
        If the output cannot be written (found before any work), the estimator belongs to
        another run file, the catalogue cannot be read by the mapping, or the other priors
        reach beyond those trained with.
    """
    output = check_output(output, catalogue)
    model = trained_model(run, posterior, model)
    rows = read_for_run(catalogue, run, model.filters)
    kept = output.with_name(f"{output.name}.nested")
    table = fit_rows(
        run,
        posterior,
        rows,
        model=model,
        priors=priors,
        folder=kept,
        workers=workers,
        show_progress=show_progress,
    )
    table.meta["catalogue"] = Path(name_of(catalogue)).name
    write_table(table, output)
    shutil.rmtree(kept, ignore_errors=True)
    return table


def check_output(output: str | Path, catalogue: TableLike) -> Path:
    """Make sure that a posterior catalogue can be written, before any work, and return its path.

    Raises
    ------
    SedumError
        If it cannot be written, its format is not known, or it is the catalogue itself.
    """
    output = check_writable(output)
    check_format(output)
    if isinstance(catalogue, str | Path) and output.resolve() == Path(catalogue).resolve():
        raise SedumError(f"{output} is the catalogue itself; choose another output path")
    return output


def trained_model(run: RunFile, posterior: Posterior, model: Simulator | None = None) -> Simulator:
    """Return the forward model of a run file, once it is clear that the estimator knows it.

    Raises
    ------
    SedumError
        If the estimator was trained with another run file.
    """
    model = model or GalaxyModel.from_run(run)
    # The estimator brings what was learned of a catalogue's noise: the file need not be here.
    noise = NoiseModel.from_run(run, model.filters, posterior.noise.sample)
    posterior.require(training_fingerprint(model.fingerprint(), run, noise))
    return model


def fit_rows(
    run: RunFile,
    posterior: Posterior,
    rows: CatalogueRows,
    *,
    model: Simulator | None = None,
    folder: Path | None = None,
    workers: int = 1,
    priors: RunFile | None = None,
    typicality: Typicality | None = None,
    show_progress: bool = False,
) -> Table:
    """Fit a catalogue that is already read; see :func:`fit`.

    ``folder`` is where the results of nested sampling are kept until the caller removes it;
    ``typicality`` the mock galaxies to compare with, where the caller has them already.
    """
    model = model or GalaxyModel.from_run(run)
    photometry = rows.photometry
    status = rows.row_status.copy()
    if run.catalogue is not None and run.catalogue.use_redshift:
        photometry = give_redshifts(posterior, rows, status)
    mark_unfit(posterior, status, photometry)
    good = np.flatnonzero(status.ok)
    n, output = len(status), run.output
    other = SwappedPrior(posterior, priors, n, output.seed) if priors is not None else None
    summaries = Summaries(posterior.prior if other is None else other.new, output, n)
    # A parameter that is also asked for as a derived quantity keeps its own draws.
    derived = [name for name in summaries.names if name not in posterior.names]
    trust = Verification(posterior, model, output, n, folder, workers) if output.verify else None
    typicality = typicality or typicality_asked_for(posterior, model, output, show_progress)
    typical = TypicalityColumns(typicality, output, n) if typicality is not None else None
    keys = object_keys(rows.ids)
    edges = PriorBounds(posterior.prior, n)
    with progress(len(good), "fitting", "galaxies", show_progress) as advance:
        for some, draws in _drawn(posterior, photometry, good, keys, output, trust):
            at = good[some]
            if other is not None:
                draws = other.apply(draws, at, keys[at])
            for j, name in enumerate(posterior.names):
                summaries.note(name, draws[..., j], at)
            part = draws[:, : output.derived_draws]
            for name, values in _derived(model, part, derived).items():
                summaries.note(name, values, at)
            edges.note(draws, at)
            if typical is not None:
                typical.note(photometry[at], at, keys[at])
            advance(len(at))
    if other is not None:
        other.mark(status)
        summaries.blank(other.poor)
    table = Table({"id": Column(rows.ids), "status": Column(status.text())})
    table["n_bands"] = photometry.measured.sum(axis=1).astype(np.int16)
    if posterior.noise.spec.limits is not None:
        table["n_limits"] = photometry.upper.sum(axis=1).astype(np.int16)
    if run.catalogue is not None and run.catalogue.redshift is not None:
        table["redshift_catalogue"] = rows.catalogue_redshift
    summaries.into(table)
    edges.into(table)
    for columns_of in (trust, typical, other):
        if columns_of is not None:
            columns_of.into(table)
    summaries.lists_into(table)
    describe(table, run, posterior)
    if other is not None:
        other.describe(table)
    return table


def object_keys(ids: np.ndarray) -> np.ndarray:
    """Return an integer for each identifier, [n], that fixes the galaxy's draws.

    A galaxy has the same draws whichever rows it is fitted with: whole numbers stand for
    themselves, anything else for its hash.
    """
    ids = np.asarray(ids)
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    return np.array(
        [int.from_bytes(blake2b(str(i).encode(), digest_size=7).digest(), "big") for i in ids],
        np.int64,
    )


#: Galaxies that are verified together, between two steps of the progress bar.
_VERIFIED_TOGETHER = 64


def _drawn(
    posterior: Posterior,
    photometry: Photometry,
    good: np.ndarray,
    keys: np.ndarray,
    output: OutputSettings,
    trust: Verification | None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield draws of the good rows, portion by portion, verified where that is asked for."""
    if trust is None:
        yield from posterior.stream(photometry[good], output.draws, output.seed, keys=keys[good])
        return
    for start in range(0, len(good), _VERIFIED_TOGETHER):
        some = slice(start, min(start + _VERIFIED_TOGETHER, len(good)))
        yield some, trust.verify(photometry[good[some]], good[some], keys[good[some]])


def _derived(model: Simulator, draws: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
    """Return derived quantities of draws [n, draws, d], each [n, draws]."""
    found = model.derived(draws.reshape(-1, draws.shape[2]), names)
    return {name: values.reshape(draws.shape[:2]) for name, values in found.items()}


def give_redshifts(posterior: Posterior, rows: CatalogueRows, status: RowStatus) -> Photometry:
    """Give the estimator the catalogue's redshifts, with their errors.

    Where the catalogue has no errors they are the smallest that the estimator was trained
    with. Rows whose error is not a positive number are marked.

    Raises
    ------
    SedumError
        If the estimator never saw given redshifts in training.
    """
    spec = posterior.noise.spec
    if spec.redshift_given == 0:
        raise SedumError(
            "the estimator was trained with noise.redshift_given: 0 and cannot be given redshifts; "
            "train with a share of known ones, or set catalogue.use_redshift: false"
        )
    redshift = rows.catalogue_redshift
    error: float | np.ndarray = spec.redshift_error_range[0]
    if rows.redshift_errors:
        error = rows.catalogue_redshift_error / (1 + redshift)
        bad = np.isfinite(redshift) & ~(np.isfinite(error) & (error > 0))
        status.mark(bad, "redshift error not positive")
        error = np.where(bad, 1.0, error)
    return rows.photometry.with_redshift(redshift, error)


def mark_unfit(posterior: Posterior, status: RowStatus, photometry: Photometry) -> None:
    """Mark the rows that are beyond what the estimator was trained for."""
    spec, bands = posterior.noise.spec, posterior.noise.bands
    if spec.limits is None:
        for i, band in enumerate(bands):
            reason = f"upper limit in {band}, but the run file has no noise.limits"
            status.mark(photometry.upper[:, i], reason)
    if spec.selection is not None:
        cut = bands.index(spec.selection.band)
        absent = ~photometry.observed[:, cut]
        status.mark(absent, f"selection band {spec.selection.band} not observed")
        below = ~posterior.noise.selected(photometry)
        status.mark(below, f"below the selection in {spec.selection.band}")
    if "redshift" in posterior.prior.free:
        known = np.isfinite(photometry.redshift)
        low, high = posterior.prior.support("redshift", tail=1e-12)
        beyond = known & ~((photometry.redshift >= low) & (photometry.redshift <= high))
        status.mark(beyond, "given redshift outside the prior")
    flux, error = posterior.features.outside(photometry)
    for i, band in enumerate(bands):
        status.mark(flux[:, i], f"flux outside the training range in {band}")
        status.mark(error[:, i], f"error outside the training range in {band}")
    wrong = posterior.features.outside_redshift_error(photometry)
    status.mark(wrong, "redshift error outside the training range")
