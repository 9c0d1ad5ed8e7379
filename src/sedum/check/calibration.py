"""Is the posterior right as often as it says? Ranks, coverage of joint regions, verdicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from sedum.check.recovery import ranks

__all__ = ["Tarp", "rank_tests", "tarp"]


def rank_tests(draws: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Test the ranks of truths among draws for uniformity (simulation-based calibration).

    Cook, Gelman & Rubin (2006), Talts et al. (2018). The rank divided by the number of draws is
    the probability integral transform (PIT).

    Parameters
    ----------
    draws
        [n, draws, d]
    truth
        [n, d]

    Returns
    -------
    dict
        ``pit``, [n, d]; ``ks`` and ``p_value`` of the Kolmogorov-Smirnov test, ``mean`` (0.5) and
        ``spread`` (1 / sqrt(12) = 0.289) of the PIT, each [d]. A mean above 0.5 says that draws lie
        low; a spread above 0.289 that intervals are too narrow.
    """
    pit = ranks(draws, truth)
    found = [stats.kstest(column, "uniform") for column in pit.T]
    return {
        "pit": pit,
        "ks": np.array([f.statistic for f in found]),
        "p_value": np.array([f.pvalue for f in found]),
        "mean": pit.mean(axis=0),
        "spread": pit.std(axis=0),
    }


@dataclass(frozen=True)
class Tarp:
    """Coverage of all parameters together by balls about random points.

    Attributes
    ----------
    levels, coverage
        Nominal and actual share of truths inside, [levels].
    deviation
        The largest difference of the two.
    p_value
        Of the Kolmogorov-Smirnov test that truths are nowhere special.
    """

    levels: np.ndarray
    coverage: np.ndarray
    deviation: float
    p_value: float


def tarp(draws: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> Tarp:
    """Test the joint calibration with random reference points (Lemos et al. 2023).

    For a reference point drawn without regard to the data, the share of draws nearer to it
    than the truth is uniform if and only if the posterior is right.

    Parameters
    ----------
    draws
        [n, draws, d], best in the latent space, where all coordinates are alike.
    truth
        [n, d]
    rng
        Of the reference points: those of other galaxies, in random order.
    """
    reference = truth[rng.permutation(len(truth))]
    scale = np.maximum(truth.std(axis=0), 1e-12)
    far = (((draws - reference[:, None]) / scale) ** 2).sum(axis=-1)
    own = (((truth - reference) / scale) ** 2).sum(axis=-1)
    inside = ((far < own[:, None]).sum(axis=1) + 0.5) / (draws.shape[1] + 1)
    levels = np.linspace(0, 1, 101)
    coverage = np.searchsorted(np.sort(inside), levels) / len(inside)
    test = stats.kstest(inside, "uniform")
    return Tarp(levels, coverage, float(test.statistic), float(test.pvalue))
