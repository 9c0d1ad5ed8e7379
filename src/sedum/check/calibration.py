"""Calibration of posteriors: ranks of the truth, and coverage of joint regions."""

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
        Posterior draws, [n, draws, d].
    truth
        True parameters, [n, d].

    Returns
    -------
    dict
        ``pit``, [n, d]; and ``ks`` and ``p_value`` of the Kolmogorov-Smirnov test, ``mean`` (0.5 if
        calibrated) and ``spread`` (1 / sqrt(12) = 0.289 if calibrated) of the PIT, each [d]. If
        the mean is above 0.5 the draws are too low; if the spread is above 0.289 the intervals
        are too narrow.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> draws, truth = rng.normal(size=(200, 100, 1)), rng.normal(size=(200, 1))
    >>> bool(rank_tests(draws, truth)["p_value"][0] > 0.01)
    True
    """
    pit = ranks(draws, truth)
    tests = [stats.kstest(column, "uniform") for column in pit.T]
    return {
        "pit": pit,
        "ks": np.array([test.statistic for test in tests]),
        "p_value": np.array([test.pvalue for test in tests]),
        "mean": pit.mean(axis=0),
        "spread": pit.std(axis=0),
    }


@dataclass(frozen=True)
class Tarp:
    """Joint coverage of all parameters, by balls about random points.

    Attributes
    ----------
    levels, coverage
        Nominal and actual fraction of truths inside, [levels].
    deviation
        Largest difference between the two.
    p_value
        P-value of the Kolmogorov-Smirnov test of the coverage.
    """

    levels: np.ndarray
    coverage: np.ndarray
    deviation: float
    p_value: float


def tarp(draws: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> Tarp:
    """Test the joint calibration with random reference points (Lemos et al. 2023).

    For a reference point drawn independently of the data, the fraction of draws that are nearer
    to it than the truth is uniform if and only if the posterior is right.

    Parameters
    ----------
    draws
        Posterior draws, [n, draws, d], preferably in the latent space, where all coordinates
        have the same scale.
    truth
        True parameters, [n, d].
    rng
        Random numbers that select the reference points among the truths of other galaxies.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> draws, truth = rng.normal(size=(200, 100, 2)), rng.normal(size=(200, 2))
    >>> tarp(draws, truth, rng).p_value > 0.01
    True
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
