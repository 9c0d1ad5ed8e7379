"""The exact posterior of the forward model and the noise, up to its normalisation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sedum.galaxies.simulator import Simulator
from sedum.observe.noise_model import NoiseModel
from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior

__all__ = ["ExactPosterior"]

_LOG_TWO_PI = float(np.log(2 * np.pi))
#: Number of models evaluated together, which limits memory.
_PORTION = 65_536
#: Residual in sigma where a model has no finite flux.
_FAR = 1e6


class ExactPosterior:
    """log p(observation | parameters) and log p(parameters), as in the training.

    Parameters
    ----------
    model
        The forward model.
    noise
        The noise model of the survey.
    """

    def __init__(self, model: Simulator, noise: NoiseModel):
        self.model, self.noise = model, noise
        self.prior: Prior = model.prior
        #: Which parameter is the redshift.
        self.redshift = self.prior.names.index("redshift")

    def log_likelihood(self, photometry: Photometry, theta: np.ndarray) -> np.ndarray:
        """Return log p(fluxes, limits and given redshifts | parameters, reported errors).

        Parameters
        ----------
        photometry
            n observations.
        theta
            Parameters, [n, models, d].

        Returns
        -------
        ndarray
            [n, models]; minus infinity where the model gives no finite flux.
        """
        out = np.empty(theta.shape[:2])
        for rows, seen, flux, z in self._portions(photometry, theta):
            with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                values = self.noise.log_likelihood(seen, flux, z) + _log_given(seen, z)
            out[rows] = np.where(np.isfinite(values), values, -np.inf)
        return out

    def residuals(self, photometry: Photometry, theta: np.ndarray) -> np.ndarray:
        """Return residuals of observations from models in sigma, whose squares sum to χ².

        The residual of an upper limit is the signed root of its deviance, -sqrt(-2 ln P(below the
        limit)), so that a model far above a limit counts like one far above a measurement.

        Parameters
        ----------
        photometry
            n observations.
        theta
            Parameters, [n, models, d].

        Returns
        -------
        ndarray
            [n, models, bands + 1]; the last is that of the given redshift. Zero where nothing is
            given, and 10⁶ where a model has no finite flux.
        """
        out = np.empty((*theta.shape[:2], photometry.flux.shape[1] + 1))
        for rows, seen, flux, z in self._portions(photometry, theta):
            with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
                values = self.noise.deviance_residuals(seen, flux, z)
            given = _given_residual(seen, z)[..., None]
            out[rows] = np.concatenate([values, given], axis=-1)
        return np.where(np.isfinite(out), np.clip(out, -_FAR, _FAR), _FAR)

    def _portions(
        self, photometry: Photometry, theta: np.ndarray
    ) -> Iterator[tuple[slice, Photometry, np.ndarray, np.ndarray]]:
        """Yield rows, their observations, and the flux and redshift of their models."""
        n, models, d = theta.shape
        step = max(_PORTION // max(models, 1), 1)
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            part = theta[rows]
            flux = self.model.photometry(part.reshape(-1, d)).reshape(*part.shape[:2], -1)
            yield rows, photometry[rows], flux.astype(float), part[..., self.redshift]

    def log_joint(
        self, photometry: Photometry, theta: np.ndarray, latent: np.ndarray | None = None
    ) -> np.ndarray:
        """Return log p(observation, y) with respect to the latent coordinates y, [n, models].

        ``latent`` are the latent coordinates of ``theta``, if the caller has them.
        """
        if latent is None:
            latent = self.prior.to_latent(theta.reshape(-1, theta.shape[-1]))
        y = latent.reshape(*theta.shape[:2], -1)
        log_prior = -0.5 * (y**2 + _LOG_TWO_PI).sum(axis=-1)
        inside = np.isfinite(log_prior)
        log_density = self.log_likelihood(photometry, theta) + np.where(inside, log_prior, 0.0)
        return np.where(inside, log_density, -np.inf)


def _log_given(photometry: Photometry, z: np.ndarray) -> np.ndarray:
    """Return log p(given redshift | redshift), zero without a given redshift, [n, models]."""
    known = np.isfinite(photometry.redshift)[:, None]
    error = np.where(known, photometry.redshift_error[:, None], 1.0) * (1 + z)
    density = -0.5 * (_given_residual(photometry, z) ** 2 + _LOG_TWO_PI) - np.log(error)
    return np.where(known, density, 0.0)


def _given_residual(photometry: Photometry, z: np.ndarray) -> np.ndarray:
    """Return residuals of given redshifts from z in sigma, zero without a given redshift."""
    known = np.isfinite(photometry.redshift)[:, None]
    given = np.where(known, photometry.redshift[:, None], 0.0)
    error = np.where(known, photometry.redshift_error[:, None], 1.0) * (1 + z)
    return np.where(known, (given - z) / error, 0.0)
