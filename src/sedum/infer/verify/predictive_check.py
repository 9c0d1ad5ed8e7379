"""Posterior-predictive checks of single galaxies: whether the models explain the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.photometry.observed import Photometry

__all__ = ["PredictiveCheck", "posterior_predictive"]


@dataclass(frozen=True)
class PredictiveCheck:
    """Results of posterior-predictive checks of n galaxies.

    Attributes
    ----------
    p_value
        The mean over draws of the tail probability of χ², [n] (Gelman, Meng & Stern 1996). It is
        near zero if no draw explains the data. Draws of exact posteriors depend on the data, so
        that values gather about one half. Draws wider than the exact posterior, which bright
        galaxies may have, give low values although the models are correct. The value ranks
        galaxies but has no fixed rate of false alarms; the typicality has.
    worst
        Index of the band that deviates most from the models, [n].
    sigma
        Median standardised residual of that band, positive if the observed flux is higher.
    """

    p_value: np.ndarray
    worst: np.ndarray
    sigma: np.ndarray


def posterior_predictive(
    exact: ExactPosterior, photometry: Photometry, draws: np.ndarray
) -> PredictiveCheck:
    """Compare observations with the models of their posterior draws.

    Parameters
    ----------
    exact
        Forward model and noise.
    photometry
        n observations; upper limits are not used.
    draws
        Posterior draws, [n, K, d]; about fifty are enough.
    """
    n, k, d = draws.shape
    flux = exact.model.photometry(draws.reshape(-1, d)).reshape(n, k, -1).astype(float)
    z = exact.noise.normal_scores(photometry, flux, draws[..., exact.redshift])
    measured = photometry.measured[:, None]
    chi2 = np.where(measured, z**2, 0.0).sum(axis=-1)
    count = np.maximum(measured.sum(axis=-1), 1)
    typical = np.where(measured[:, 0], np.median(z, axis=1), 0.0)
    worst = np.abs(typical).argmax(axis=1)
    return PredictiveCheck(
        p_value=stats.chi2.sf(chi2, count).mean(axis=1),
        worst=worst,
        sigma=typical[np.arange(n), worst],
    )
