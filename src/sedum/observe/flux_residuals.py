"""The distribution of observed fluxes about true ones: samples, density and integral."""

from __future__ import annotations

import numpy as np
from scipy import special, stats

__all__ = ["Residuals"]

_LOG_TWO_PI = np.log(2 * np.pi)


class Residuals:
    """A normal or Student's t distribution that is symmetric in flux or in asinh magnitude.

    The standardised residual in flux is ``(observed - true) / scale``. In asinh space it is
    ``(arcsinh(observed/2b) - arcsinh(true/2b)) · sqrt(true² + 4b²) / scale``: equal for small
    residuals, and skewed like a relative error for bright sources (asinh magnitudes: Lupton, Gunn &
    Szalay 1999).

    Parameters
    ----------
    softening
        Softening b of the asinh magnitudes in µJy, [bands]; None for flux.
    dof
        Degrees of freedom of Student's t; None for a normal distribution.

    Examples
    --------
    >>> residuals = Residuals()
    >>> residuals.log_density(np.array([1.0]), np.array([1.0]), np.array([1.0])).round(3)
    array([-0.919])
    """

    def __init__(self, softening: np.ndarray | None = None, dof: float | None = None):
        self._b, self._dof = softening, dof

    def standard(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw standardised residuals."""
        if self._dof is None:
            return rng.standard_normal(shape, np.float32)
        return rng.standard_t(self._dof, shape)

    def observed(
        self, flux: np.ndarray, scale: np.ndarray, residual: np.ndarray, band: int | None = None
    ) -> np.ndarray:
        """Return observed fluxes.

        Parameters
        ----------
        flux, scale, residual
            True fluxes and scales in µJy, and standardised residuals, [..., bands].
        band
            Index of a band if the arrays are of this band only, [...].
        """
        if self._b is None:
            return flux + scale * residual
        b = self._b if band is None else self._b[band]
        step = scale * residual / np.hypot(flux, 2 * b)
        # Larger arguments of sinh would overflow when squared; no such flux is measured.
        return 2 * b * np.sinh(np.clip(np.arcsinh(flux / (2 * b)) + step, -300, 300))

    def _standardised(self, seen: np.ndarray, flux: np.ndarray, scale: np.ndarray) -> np.ndarray:
        if self._b is None:
            return (seen - flux) / scale
        difference = np.arcsinh(seen / (2 * self._b)) - np.arcsinh(flux / (2 * self._b))
        return difference * np.hypot(flux, 2 * self._b) / scale

    def log_density(self, seen: np.ndarray, flux: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return the log density of observed fluxes, per µJy, [..., bands]."""
        r = self._standardised(seen, flux, scale)
        if self._dof is None:
            log = -0.5 * (r**2 + _LOG_TWO_PI) - np.log(scale)
        else:
            log = stats.t.logpdf(r, self._dof) - np.log(scale)
        if self._b is not None:
            log = log + np.log(np.hypot(flux, 2 * self._b) / np.hypot(seen, 2 * self._b))
        return log

    def log_below(self, limit: np.ndarray, flux: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return the log probability that the observed flux is below a limit, [..., bands]."""
        r = self._standardised(limit, flux, scale)
        if self._dof is None:
            return special.log_ndtr(r)
        return stats.t.logcdf(r, self._dof)

    def normal_scores(self, seen: np.ndarray, flux: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Return residuals as standard normal scores of equal cumulative probability."""
        r = self._standardised(seen, flux, scale)
        if self._dof is None:
            return r
        # The nearer tail keeps the precision of the probability.
        tail = special.ndtri_exp(stats.t.logcdf(-np.abs(r), self._dof))
        return np.where(r > 0, -tail, tail)
