"""The latent redshift that a given redshift implies."""

from __future__ import annotations

import numpy as np

from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior

__all__ = ["anchor_of"]


def anchor_of(prior: Prior, photometry: Photometry) -> np.ndarray:
    """Return centre and width of the latent redshift that given redshifts imply, [n, 2].

    (0, 1), the prior's, where no redshift is given. The anchor only chooses the coordinate in
    which the estimator works, so a given redshift just outside the prior is moved to its edge.
    """
    anchor = np.tile([0.0, 1.0], (len(photometry), 1))
    known = np.isfinite(photometry.redshift)
    if not known.any() or "redshift" not in prior.free:
        return anchor
    z = photometry.redshift[known]
    sigma = photometry.redshift_error[known] * (1 + z)
    low, high = prior.support("redshift", tail=1e-9)
    inside = np.clip(z, low, high)
    above = prior.latent_of("redshift", np.clip(inside + sigma, low, high))
    below = prior.latent_of("redshift", np.clip(inside - sigma, low, high))
    anchor[known, 0] = np.clip(prior.latent_of("redshift", inside), -5, 5)
    anchor[known, 1] = np.clip((above - below) / 2, 1e-5, 1.0)
    return anchor
