"""The condition of the estimator: features of an observation and its known redshift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from sedum.observe.features import FeatureTransform
from sedum.photometry.observed import Photometry
from sedum.priors.joint import Prior

__all__ = ["Condition", "condition_of", "latent_redshift"]


class Condition(NamedTuple):
    """Observations of n galaxies, as inputs of the estimator.

    Attributes
    ----------
    features
        The inputs of the network, [n, features].
    redshift
        Centre and width of the latent redshift that a known redshift implies, [n, 2]; those of
        the prior, (0, 1), if no redshift is known.
    """

    features: torch.Tensor
    redshift: torch.Tensor

    @classmethod
    def without_redshift(cls, features: torch.Tensor) -> Condition:
        """Return the condition of galaxies without known redshifts."""
        return cls(features, features.new_tensor([0.0, 1.0]).expand(len(features), 2))

    def rows(self, rows: slice | torch.Tensor) -> Condition:
        """Return the condition of some of the galaxies."""
        return Condition(self.features[rows], self.redshift[rows])

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Condition:
        """Return the same on a device."""
        return Condition(*(t.to(device, non_blocking=non_blocking) for t in self))


def condition_of(prior: Prior, transform: FeatureTransform, photometry: Photometry) -> Condition:
    """Return the condition of observed galaxies, on the CPU."""
    redshift = latent_redshift(prior, photometry).astype(np.float32)
    return Condition(torch.from_numpy(transform(photometry)), torch.from_numpy(redshift))


def latent_redshift(prior: Prior, photometry: Photometry) -> np.ndarray:
    """Return centre and width of the latent redshift that known redshifts imply, [n, 2].

    They are those of the prior, (0, 1), if no redshift is known. They only define the coordinate
    in which the estimator works, so that a known redshift just outside the prior is moved to its
    edge.
    """
    latent = np.tile([0.0, 1.0], (len(photometry), 1))
    known = np.isfinite(photometry.redshift)
    if not known.any() or "redshift" not in prior.free:
        return latent
    z = photometry.redshift[known]
    sigma = photometry.redshift_error[known] * (1 + z)
    low, high = prior.support("redshift", tail=1e-9)
    inside = np.clip(z, low, high)
    above = prior.latent_of("redshift", np.clip(inside + sigma, low, high))
    below = prior.latent_of("redshift", np.clip(inside - sigma, low, high))
    latent[known, 0] = np.clip(prior.latent_of("redshift", inside), -5, 5)
    latent[known, 1] = np.clip((above - below) / 2, 1e-5, 1.0)
    return latent
