"""Do the models explain the data at all? Posterior-predictive checks of single galaxies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.photometry.observed import Photometry

__all__ = ["PredictiveCheck", "posterior_predictive"]


@dataclass(frozen=True)
class PredictiveCheck:
    """What posteriors say of the data that they were drawn from.

    Attributes
    ----------
    p_value
        Probability that data of the models would lie as far from them as the observed ones, [n]:
        the mean over draws of the tail probability of χ² (Gelman, Meng & Stern 1996). Near zero
        where no draw explains the data. Exact posteriors know the data, so that their values
        pile up about one half; draws spread wider than the exact posterior, as those of bright
        galaxies may be, do not fit it and give low values without any fault of the models. It
        ranks galaxies, and has no level of false alarms: typicality does.
    worst
        Index of the band that lies farthest from the models, [n].
    sigma
        How far: its median standardised residual, positive where the observed flux is higher.
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
        n observations; upper limits are left out.
    draws
        Posterior draws, [n, K, d]; some fifty are enough.
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
