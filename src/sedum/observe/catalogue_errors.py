"""Errors as a real catalogue has them: against brightness, or taken whole from its galaxies."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from sedum.observe.error_curves import ErrorCurves
from sedum.observe.noise_file import SurveySample
from sedum.observe.reported_errors import Measure

__all__ = ["BootstrapErrors", "LearnedErrors"]


class LearnedErrors:
    """Errors that follow each band's curve against brightness, correlated between bands.

    The latent number is the error's standardised distance from the median error of sources as
    bright, normal with the correlation matrix of the catalogue.

    Parameters
    ----------
    sample
        What was learned of the catalogue.
    survey_patterns
        Let bands be missing in the combinations in which the catalogue lacks them.
    """

    def __init__(self, sample: SurveySample, survey_patterns: bool = True):
        self.curves = ErrorCurves(sample)
        self.depth = sample.depth
        values, vectors = np.linalg.eigh(sample.correlation)
        self._root = vectors * np.sqrt(np.maximum(values, 0))
        self._patterns = sample.observed if survey_patterns else None

    def draw(
        self, n: int, rng: np.random.Generator, measure: Measure
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return latent numbers and presence; see :class:`ErrorModel`."""
        latent = rng.standard_normal((n, len(self.depth))) @ self._root.T
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
    """The whole error vector and the missing bands of a real galaxy of similar brightness.

    In a reference band, noise and error follow the catalogue's curve. A real galaxy whose
    observed flux and error are like those in that band, drawn from the nearest few, then gives
    its errors in all other bands and its pattern of missing bands: correlations between bands
    survive. It is chosen by what was observed, never by the true flux, so neither errors nor
    missing bands can betray the latter, and the likelihood stays exact.

    Parameters
    ----------
    sample
        What was learned of the catalogue.
    neighbours
        The number of galaxies among which one is drawn.
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
        # Where a donor lacks a band nothing is reported, but a number must stand there.
        error = np.where(sample.observed, sample.error, sample.depth)
        self._latent = np.log(error.astype(float))

    def _place(self, flux: np.ndarray, error: np.ndarray) -> np.ndarray:
        """Return coordinates in which sources as bright with like errors are near, [n, 2]."""
        magnitude = self.curves.magnitude(self.reference, flux)
        # One sigma of the errors counts as much as a fifth of a unit, some 0.2 mag.
        latent = np.clip(self.curves.latent_in(self.reference, flux, error), -5, 5)
        return np.stack([magnitude, 0.2 * latent], axis=1)

    def draw(
        self, n: int, rng: np.random.Generator, measure: Measure
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return latent numbers and presence; see :class:`ErrorModel`."""
        r = self.reference
        own = rng.standard_normal(n)
        flux = measure(r, own)
        error = self.curves.error_in(r, flux, own)
        _, near = self._tree.query(self._place(flux, error), k=self._neighbours)
        near = near.reshape(n, -1)
        donor = self._donors[near[np.arange(n), rng.integers(near.shape[1], size=n)]]
        latent = self._latent[donor]
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
