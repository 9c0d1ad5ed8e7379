"""A catalogue made ready for an estimator: read, given redshifts, and each row with its status."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from sedum.config import RunFile
from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.trained_model import trained_model
from sedum.photometry.catalogue import CatalogueRows, read_for_run
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import Reason, RowStatus
from sedum.tables.read import TableLike

__all__ = ["PreparedCatalogue", "galaxy_keys", "mark_unfit", "prepare", "prepare_rows"]


@dataclass(frozen=True)
class PreparedCatalogue:
    """The rows of a catalogue as an estimator is to see them.

    Attributes
    ----------
    rows
        The catalogue as read, n rows.
    model
        The forward model that the estimator was trained with.
    photometry
        What the estimator sees, [n]: the photometry of ``rows``, with the catalogue's redshifts
        where they are given to it.
    status
        Whether each row can be fitted, or why not, [n].
    errors_raised
        Number of errors of each row, of fluxes and of the redshift, that were raised to the
        smallest in training, [n].
    """

    rows: CatalogueRows
    model: Simulator
    photometry: Photometry
    status: RowStatus
    errors_raised: np.ndarray

    @property
    def good(self) -> np.ndarray:
        """Return the numbers of the rows that can be fitted."""
        return np.flatnonzero(self.status.ok)

    @property
    def keys(self) -> np.ndarray:
        """Return an integer for each row that fixes its draws, [n]; see :func:`galaxy_keys`."""
        return galaxy_keys(self.rows.ids)

    def __len__(self) -> int:
        return len(self.rows)


def prepare(
    run: RunFile,
    posterior: Posterior,
    catalogue: TableLike | CatalogueRows,
    *,
    model: Simulator | None = None,
    give_redshifts: bool | None = None,
) -> PreparedCatalogue:
    """Read a catalogue and decide which of its rows the estimator can fit.

    Parameters
    ----------
    run
        The run file. Its ``catalogue`` section says how to read the table.
    posterior
        The trained estimator.
    catalogue
        A file, a table, or rows that were read already.
    model
        The forward model, if the caller has it.
    give_redshifts
        Whether the estimator is given the catalogue's redshifts; ``catalogue.use_redshift`` of
        the run file if None.

    Raises
    ------
    SedumError
        If the estimator was trained with another run file, the catalogue cannot be read, or
        redshifts are to be given to an estimator that was trained without them.
    """
    model = trained_model(run, posterior, model)
    if not isinstance(catalogue, CatalogueRows):
        catalogue = read_for_run(catalogue, run, model.filters)
    return prepare_rows(run, posterior, catalogue, model, give_redshifts=give_redshifts)


def prepare_rows(
    run: RunFile,
    posterior: Posterior,
    rows: CatalogueRows,
    model: Simulator,
    *,
    give_redshifts: bool | None = None,
) -> PreparedCatalogue:
    """Decide which rows the estimator can fit, where it is known to be that of the run file.

    Parameters are those of :func:`prepare`.
    """
    if give_redshifts is None:
        give_redshifts = run.catalogue is not None and run.catalogue.use_redshift
    status, photometry = rows.row_status.copy(), rows.photometry
    if give_redshifts:
        photometry = _with_redshifts(posterior, rows, status)
    photometry, raised = posterior.features.with_errors_raised(photometry)
    mark_unfit(posterior, status, photometry)
    return PreparedCatalogue(rows, model, photometry, status, raised.sum(axis=1))


def galaxy_keys(ids: np.ndarray) -> np.ndarray:
    """Return an integer for each identifier, [n], that fixes the draws of the galaxy.

    A galaxy has the same draws whichever rows it is fitted with. Integers stand for themselves,
    any other identifier for its hash.
    """
    ids = np.asarray(ids)
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64)
    return np.array(
        [int.from_bytes(blake2b(str(i).encode(), digest_size=7).digest(), "big") for i in ids],
        np.int64,
    )


def _with_redshifts(posterior: Posterior, rows: CatalogueRows, status: RowStatus) -> Photometry:
    """Return photometry with the catalogue's redshifts and their errors.

    Without a column of errors, they are the smallest that the estimator was trained with. Rows
    whose error is not a positive number are marked.

    Raises
    ------
    SedumError
        If the estimator never saw given redshifts in training.
    """
    spec = posterior.noise.spec
    if spec.redshift_given == 0:
        raise SedumError(
            "the estimator was trained with noise.redshift_given: 0 and cannot be given redshifts; "
            "train with a fraction of known ones, or set catalogue.use_redshift: false"
        )
    redshift = rows.catalogue_redshift
    error: float | np.ndarray = spec.redshift_error_range[0]
    if rows.redshift_errors:
        error = rows.catalogue_redshift_error / (1 + redshift)
        bad = np.isfinite(redshift) & ~(np.isfinite(error) & (error > 0))
        status.mark(bad, Reason.REDSHIFT_ERROR_NOT_POSITIVE)
        error = np.where(bad, 1.0, error)
    return rows.photometry.with_redshift(redshift, error)


def mark_unfit(posterior: Posterior, status: RowStatus, photometry: Photometry) -> None:
    """Mark the rows that are beyond what the estimator was trained for."""
    spec, bands = posterior.noise.spec, posterior.noise.bands
    if spec.limits is None:
        for i, band in enumerate(bands):
            status.mark(photometry.upper[:, i], Reason.LIMIT_NOT_TRAINED, band)
    if spec.selection is not None:
        cut = bands.index(spec.selection.band)
        absent = ~photometry.observed[:, cut]
        status.mark(absent, Reason.SELECTION_BAND_MISSING, spec.selection.band)
        below = ~posterior.noise.selected(photometry)
        status.mark(below, Reason.BELOW_SELECTION, spec.selection.band)
    if "redshift" in posterior.prior.free:
        known = np.isfinite(photometry.redshift)
        low, high = posterior.prior.support("redshift")
        slack = 1e-6 * (1 + np.abs(photometry.redshift))  # the bounds themselves are inside
        inside = (photometry.redshift >= low - slack) & (photometry.redshift <= high + slack)
        beyond = known & ~inside
        status.mark(beyond, Reason.REDSHIFT_OUTSIDE_PRIOR)
    flux, error = posterior.features.outside(photometry)
    for i, band in enumerate(bands):
        status.mark(flux[:, i], Reason.FLUX_OUTSIDE_TRAINING, band)
        status.mark(error[:, i], Reason.ERROR_OUTSIDE_TRAINING, band)
    wrong = posterior.features.outside_redshift_error(photometry)
    status.mark(wrong, Reason.REDSHIFT_ERROR_OUTSIDE_TRAINING)
