"""What an estimator was trained for: redshifts it is given, and rows that lie beyond."""

from __future__ import annotations

import numpy as np

from sedum.errors import SedumError
from sedum.observe.features import FeatureTransform
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.catalogue import CatalogueRows
from sedum.photometry.observed import Photometry
from sedum.photometry.row_status import Reason, RowStatus
from sedum.priors.joint import Prior

__all__ = ["TrainedLimits"]


class TrainedLimits:
    """The observations that an estimator knows from its training.

    Parameters
    ----------
    features
        The transform of observations, with the ranges of the training.
    noise
        The noise of the training.
    prior
        The prior of the training.

    Examples
    --------
    >>> from sedum import FilterSet, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> limits = TrainedLimits(posterior.features, posterior.noise, posterior.prior)
    >>> photometry, status, raised = limits.apply(rows, give_redshifts=False)
    >>> status.counts()[0]
    ('ok', 18)
    """

    def __init__(self, features: FeatureTransform, noise: NoiseModel, prior: Prior):
        self.features, self.noise, self.prior = features, noise, prior

    def apply(
        self, rows: CatalogueRows, give_redshifts: bool
    ) -> tuple[Photometry, RowStatus, np.ndarray]:
        """Return rows of a catalogue as the estimator is to see them.

        Parameters
        ----------
        rows
            The rows, n.
        give_redshifts
            Whether the estimator is given the catalogue's redshifts.

        Returns
        -------
        photometry
            With the redshifts that are given, and with errors that are smaller than any in
            training raised to the smallest, [n].
        status
            Whether each row can be fitted, or why not, [n].
        raised
            Number of errors of each row that were raised, [n].

        Raises
        ------
        SedumError
            If redshifts are to be given to an estimator that never saw any in training.
        """
        status, photometry = rows.row_status.copy(), rows.photometry
        if give_redshifts:
            photometry = self._with_redshifts(rows, status)
        photometry, raised = self.features.with_errors_raised(photometry)
        self._mark_unfit(status, photometry)
        return photometry, status, raised.sum(axis=1)

    def _with_redshifts(self, rows: CatalogueRows, status: RowStatus) -> Photometry:
        """Return photometry with the catalogue's redshifts and their errors.

        Without a column of errors, they are the smallest that the estimator was trained with. Rows
        whose error is not a positive number are marked.
        """
        spec = self.noise.spec
        if spec.redshift_given == 0:
            raise SedumError(
                "the estimator was trained with noise.redshift_given: 0 and cannot be given "
                "redshifts; train with a fraction of known ones, or set "
                "catalogue.use_redshift: false"
            )
        redshift = rows.catalogue_redshift
        error: float | np.ndarray = spec.redshift_error_range[0]
        if rows.redshift_errors:
            error = rows.catalogue_redshift_error / (1 + redshift)
            bad = np.isfinite(redshift) & ~(np.isfinite(error) & (error > 0))
            status.mark(bad, Reason.REDSHIFT_ERROR_NOT_POSITIVE)
            error = np.where(bad, 1.0, error)
        return rows.photometry.with_redshift(redshift, error)

    def _mark_unfit(self, status: RowStatus, photometry: Photometry) -> None:
        """Mark the rows that are beyond what the estimator was trained for."""
        spec, bands = self.noise.spec, self.noise.bands
        if spec.limits is None:
            for i, band in enumerate(bands):
                status.mark(photometry.upper[:, i], Reason.LIMIT_NOT_TRAINED, band)
        if spec.selection is not None:
            cut = bands.index(spec.selection.band)
            absent = ~photometry.observed[:, cut]
            status.mark(absent, Reason.SELECTION_BAND_MISSING, spec.selection.band)
            below = ~self.noise.selected(photometry)
            status.mark(below, Reason.BELOW_SELECTION, spec.selection.band)
        if "redshift" in self.prior.free:
            known = np.isfinite(photometry.redshift)
            low, high = self.prior.support("redshift")
            slack = 1e-6 * (1 + np.abs(photometry.redshift))  # the bounds themselves are inside
            inside = (photometry.redshift >= low - slack) & (photometry.redshift <= high + slack)
            status.mark(known & ~inside, Reason.REDSHIFT_OUTSIDE_PRIOR)
        flux, error = self.features.outside(photometry)
        for i, band in enumerate(bands):
            status.mark(flux[:, i], Reason.FLUX_OUTSIDE_TRAINING, band)
            status.mark(error[:, i], Reason.ERROR_OUTSIDE_TRAINING, band)
        wrong = self.features.outside_redshift_error(photometry)
        status.mark(wrong, Reason.REDSHIFT_ERROR_OUTSIDE_TRAINING)
