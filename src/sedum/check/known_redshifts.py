"""Posteriors of redshift compared with known redshifts."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sedum.check.recovery import ranks
from sedum.priors.joint import Prior
from sedum.statistics import median_and_nmad
from sedum.survey.measures.redshift_density import kernel_width

__all__ = ["OUTLIER", "RedshiftMetrics", "log_densities"]

#: |Δz| / (1 + z) beyond which a redshift is an outlier.
OUTLIER = 0.15


@dataclass(frozen=True)
class RedshiftMetrics:
    """Posteriors of redshift of n galaxies whose redshift is known.

    Attributes
    ----------
    truth
        Known redshifts, [n].
    median, low, high
        50th, 16th and 84th percentiles of the posterior, [n].
    pit
        Fraction of the posterior below the truth (probability integral transform), [n].
    log_density
        ln p(z) at the truth, [n]; minus infinity outside the prior.
    gain
        ``log_density`` minus that of the prior, [n]; NaN outside the prior.
    """

    truth: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    pit: np.ndarray
    log_density: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, prior: Prior, truth: np.ndarray, draws: np.ndarray) -> RedshiftMetrics:
        """Compare draws [n, draws] with truths [n]."""
        low, median, high = np.percentile(draws, [16, 50, 84], axis=1)
        log_density, gain = log_densities(prior, truth, draws)
        pit = ranks(draws[..., None], truth[:, None])[:, 0]
        return cls(truth, median, low, high, pit, log_density, gain)

    def __len__(self) -> int:
        return len(self.truth)

    def __getitem__(self, rows: np.ndarray) -> RedshiftMetrics:
        return RedshiftMetrics(*(getattr(self, f.name)[rows] for f in fields(self)))

    @property
    def error(self) -> np.ndarray:
        """(median - truth) / (1 + truth), [n]."""
        return (self.median - self.truth) / (1 + self.truth)

    def inside(self, level: float) -> np.ndarray:
        """Return whether each truth lies within the central interval of a probability, [n]."""
        return 2 * np.abs(self.pit - 0.5) <= level

    def measures(self) -> dict[str, float]:
        """Return the usual metrics, by name. Δz is divided by 1 + z throughout.

        Mean log densities are those of galaxies whose redshift is within the prior.
        """
        bias, nmad = median_and_nmad(self.error)
        within = np.isfinite(self.log_density)
        return {
            "nmad": nmad,
            "bias": bias,
            "outliers": float((np.abs(self.error) > OUTLIER).mean()),
            "coverage_68": float(self.inside(0.68).mean()),
            "coverage_95": float(self.inside(0.95).mean()),
            "pit_mean": float(self.pit.mean()),
            "log_density": float(self.log_density[within].mean()) if within.any() else np.nan,
            "information": float(self.gain[within].mean()) if within.any() else np.nan,
        }


def log_densities(
    prior: Prior, truth: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return ln p(z) at the truth, and its difference from that of the prior, each [n].

    The density is a sum of normal kernels about the draws, in the latent coordinate of the
    redshift, in which the prior is a standard normal. Their width is that of
    :func:`kernel_width`. The prior counts as one more draw, so that a redshift far from all
    draws has a finite density.

    Parameters
    ----------
    prior
        The prior of the parameters.
    truth
        Known redshifts, [n].
    draws
        Posterior draws of the redshift, [n, draws].
    """
    n, size = draws.shape
    y = np.sort(prior.latent_of("redshift", draws.ravel()).reshape(n, size), axis=1)
    low, high = prior.support("redshift", tail=1e-12)
    within = (truth > low) & (truth < high)
    at = np.where(within, truth, (low + high) / 2)
    own = prior.latent_of("redshift", at)
    width = np.maximum(kernel_width(y), 1e-6)
    kernels = np.exp(-0.5 * ((own[:, None] - y) / width[:, None]) ** 2).sum(axis=1) / width
    normal = np.exp(-0.5 * own**2)
    gain = np.log((kernels + normal) / (size + 1) / normal)
    # From the latent coordinate to the redshift: the slope between neighbours.
    step = 1e-4 * (1 + at)
    above, below = np.minimum(at + step, high), np.maximum(at - step, low)
    rise = prior.latent_of("redshift", above) - prior.latent_of("redshift", below)
    prior_density = -0.5 * (own**2 + np.log(2 * np.pi)) + np.log(rise / (above - below))
    return (
        np.where(within, gain + prior_density, -np.inf),
        np.where(within, gain, np.nan),
    )
