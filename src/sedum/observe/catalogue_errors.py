"""Errors like those of a real catalogue: from curves against brightness, or of whole galaxies."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sedum.observe.error_curves import ErrorCurves
from sedum.observe.noise_file import SurveySample
from sedum.observe.reported_errors import MARGIN, Measure

__all__ = ["BootstrapErrors", "LearnedErrors"]

#: Factor on the spread of errors about their curve where they are to reach beyond the survey's.
_WIDER = 3.0


class LearnedErrors:
    """Errors that follow a curve against brightness in each band and are correlated between bands.

    The latent number is the standardised distance of the error from the median error at this
    brightness. It is normal, with the correlation matrix of the catalogue.

    Parameters
    ----------
    sample
        What was learned from the catalogue.
    survey_patterns
        Whether bands are missing in the combinations in which the catalogue lacks them.

    Examples
    --------
    >>> from sedum import FilterSet, fit_noise, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> errors = LearnedErrors(fit_noise(rows, run.band_names()))
    >>> errors.scale(np.ones((5, 3)), np.zeros((5, 3))).shape
    (5, 3)
    """

    def __init__(self, sample: SurveySample, survey_patterns: bool = True):
        self.curves = ErrorCurves(sample)
        self.depth = sample.depth
        values, vectors = np.linalg.eigh(sample.correlation)
        self._root = vectors * np.sqrt(np.maximum(values, 0))
        self._patterns = sample.observed if survey_patterns else None

    def draw(
        self, n: int, rng: np.random.Generator, measure: Measure, wider: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return latent numbers and presence; see :class:`ErrorModel`."""
        latent = rng.standard_normal((n, len(self.depth))) @ self._root.T
        if wider is not None:
            latent *= np.where(wider, _WIDER, 1.0)[:, None]
        if self._patterns is None:
            return latent, np.ones((n, len(self.depth)), bool)
        return latent, self._patterns[rng.integers(len(self._patterns), size=n)]

    def scale(self, flux: np.ndarray, latent: np.ndarray) -> np.ndarray:
        """Return the 1-sigma noise; see :class:`ErrorModel`."""
        return self.curves.error(flux, latent)

    def latent_of(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the latent numbers; see :class:`ErrorModel`."""
        return self.curves.latent_of(flux, error)


class BootstrapErrors:
    """The error vector and the missing bands of a real galaxy of similar brightness.

    In a reference band, noise and error follow the curve of the catalogue. Among the real galaxies
    with the most similar observed flux and error in that band, one is drawn. Its errors in all
    other bands and its pattern of missing bands are used, so correlations between bands are kept.
    The draw depends on what was observed, never on the true flux, so errors and missing bands
    contain no information on the true flux and the likelihood stays exact.

    Parameters
    ----------
    sample
        What was learned from the catalogue.
    neighbours
        Number of similar galaxies, of which one is drawn.

    Examples
    --------
    >>> from sedum import FilterSet, fit_noise, read_catalogue
    >>> rows = read_catalogue(catalogue, run.catalogue, FilterSet.from_run(run))
    >>> errors = BootstrapErrors(fit_noise(rows, run.band_names()))
    >>> errors.scale(np.ones((5, 3)), np.zeros((5, 3))).shape
    (5, 3)
    """

    def __init__(self, sample: SurveySample, neighbours: int = 8):
        self.curves = ErrorCurves(sample)
        self.depth = sample.depth
        self.reference = sample.reference
        self._sample = sample
        known = np.flatnonzero(sample.measured[:, self.reference])
        self._donors = known
        place = self._place(
            sample.flux[known, self.reference].astype(float),
            sample.error[known, self.reference].astype(float),
        )
        self._tree = cKDTree(place)
        self._neighbours = min(neighbours, len(known))
        # A donor reports nothing in a band that it lacks, but the array needs a number.
        error = np.where(sample.observed, sample.error, sample.depth)
        self._latent = np.log(error.astype(float))

    def _place(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return coordinates, [n, 2], in which similar brightness and error are close."""
        magnitude = self.curves.magnitude(self.reference, flux)
        # One sigma of the errors counts as much as a fifth of a unit, some 0.2 mag.
        latent = np.clip(self.curves.latent_in(self.reference, flux, error), -5, 5)
        return np.stack([magnitude, 0.2 * latent], axis=1)

    def draw(
        self, n: int, rng: np.random.Generator, measure: Measure, wider: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return latent numbers and presence; see :class:`ErrorModel`."""
        r = self.reference
        own = rng.standard_normal(n)
        if wider is not None:
            own *= np.where(wider, _WIDER, 1.0)
        flux = measure(r, own)
        error = self.curves.error_in(r, flux, own)
        _, near = self._tree.query(self._place(flux, error), k=self._neighbours)
        near = near.reshape(n, -1)
        donor = self._donors[near[np.arange(n), rng.integers(near.shape[1], size=n)]]
        latent = self._latent[donor]
        if wider is not None:
            margin = MARGIN * np.log(10)
            latent += wider[:, None] * rng.uniform(-margin, margin, latent.shape)
        latent[:, r] = own
        return latent, self._sample.observed[donor]

    def scale(self, flux: np.ndarray, latent: np.ndarray) -> np.ndarray:
        """Return the 1-sigma noise; see :class:`ErrorModel`."""
        r = self.reference
        latent = np.broadcast_to(latent, np.shape(flux))
        scale = np.exp(latent)
        scale[..., r] = self.curves.error_in(r, flux[..., r], latent[..., r])
        return scale

    def latent_of(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return the latent numbers; see :class:`ErrorModel`."""
        r = self.reference
        latent = np.log(error)
        latent[..., r] = self.curves.latent_in(r, flux[..., r], error[..., r])
        return latent
