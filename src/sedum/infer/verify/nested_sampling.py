"""Nested sampling of single galaxies with the same model and likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nautilus import Sampler

from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.photometry.observed import Photometry

__all__ = ["NestedResult", "sample_nested"]


@dataclass(frozen=True)
class NestedResult:
    """A posterior from nested sampling.

    Attributes
    ----------
    n_draws
        Equally weighted parameters, [K, d].
    log_evidence
        log p(observation) under model, priors and noise.
    ess
        Effective sample size of the draws.
    evaluations
        Number of computed likelihoods.
    """

    draws: np.ndarray
    log_evidence: float
    ess: float
    evaluations: int

    @property
    def log_evidence_error(self) -> float:
        """Standard error of the log evidence: 1 / sqrt(ess)."""
        return 1 / np.sqrt(self.ess)


def sample_nested(
    exact: ExactPosterior,
    photometry: Photometry,
    n_draws: int = 1000,
    *,
    live: int = 1000,
    effective: int = 4000,
    seed: int = 1,
) -> NestedResult:
    """Sample the exact posterior of one galaxy with nautilus (Lange 2023).

    Parameters
    ----------
    exact
        Forward model and noise.
    photometry
        One observation.
    n_draws
        Number of equally weighted draws to return.
    live
        Number of live points.
    effective
        Effective sample size at which sampling ends.
    seed
        Seed of the sampler.
    """
    prior = exact.prior

    def likelihood(u: np.ndarray) -> np.ndarray:
        theta = prior.from_unit(np.clip(u, 1e-16, 1 - 1e-16))
        value = exact.log_likelihood(photometry, theta[None])[0]
        return np.where(np.isfinite(value), value, -1e300)

    sampler = Sampler(
        lambda u: u,
        likelihood,
        n_dim=prior.dimension,
        n_live=live,
        vectorized=True,
        pass_dict=False,
        n_networks=1,
        n_batch=500,
        seed=seed,
    )
    sampler.run(n_eff=effective, discard_exploration=True)
    u, log_weights, _ = sampler.posterior()
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    rng = np.random.default_rng(seed)
    points = (np.arange(n_draws) + rng.random()) / n_draws
    at = np.minimum(np.searchsorted(np.cumsum(weights), points), len(u) - 1)
    return NestedResult(
        prior.from_unit(np.clip(u[at], 1e-16, 1 - 1e-16)),
        float(sampler.log_z),
        float(1 / (weights**2).sum()),
        int(sampler.n_like),
    )
