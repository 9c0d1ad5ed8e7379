"""Recovery and coverage of posteriors of galaxies whose parameters are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sedum.statistics import nmad

__all__ = ["RecoveryMetrics", "coverage_curve", "ranks", "recovery_metrics", "recovery_scores"]


@dataclass(frozen=True)
class RecoveryMetrics:
    """How well one parameter is recovered.

    Attributes
    ----------
    name
        Name of the parameter.
    r2
        Coefficient of determination, 1 - Σ(median - truth)² / Σ(truth - mean truth)².
    bias
        Median of (posterior median - truth).
    scatter
        1.4826 times the median absolute deviation of (posterior median - truth).
    coverage_68, coverage_95
        Fraction of truths within the central 68% and 95% of the draws.
    """

    name: str
    r2: float
    bias: float
    scatter: float
    coverage_68: float
    coverage_95: float


def ranks(draws: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the fraction of draws below the truth, which is uniform for calibrated posteriors.

    Parameters
    ----------
    draws
        Posterior draws, [n, draws, d].
    truth
        True parameters, [n, d].

    Returns
    -------
    ndarray
        Fractions strictly between 0 and 1, [n, d].

    Examples
    --------
    >>> ranks(np.array([[[1.0], [2.0], [3.0]]]), np.array([[2.5]]))
    array([[0.625]])
    """
    below = (draws < truth[:, None]).sum(axis=1)
    ties = (draws == truth[:, None]).sum(axis=1)
    # Half of the ties, and the continuity correction, keep the ranks inside (0, 1).
    return (below + 0.5 * ties + 0.5) / (draws.shape[1] + 1)


def coverage_curve(rank: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Return the fraction of truths within the central interval of each level, [levels, d].

    Parameters
    ----------
    rank
        Ranks of the truths, [n, d], as :func:`ranks` returns them.
    levels
        Probabilities of the intervals, [levels].
    """
    from_centre = 2 * np.abs(rank - 0.5)
    return (from_centre[None] <= np.asarray(levels)[:, None, None]).mean(axis=1)


def recovery_metrics(
    draws: np.ndarray, truth: np.ndarray, names: list[str]
) -> list[RecoveryMetrics]:
    """Measure recovery and coverage of each parameter.

    Parameters
    ----------
    draws
        Posterior draws, [n, draws, d].
    truth
        True values, [n, d].
    names
        Names of the d parameters.

    Returns
    -------
    list of RecoveryMetrics
        One for each parameter. ``r2`` is NaN if the truth does not vary.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.normal(size=(100, 1))
    >>> draws = truth[:, None] + 0.1 * rng.normal(size=(100, 50, 1))
    >>> recovery_metrics(draws, truth, ["log_mass"])[0].r2 > 0.99
    True
    """
    scores = recovery_scores(np.median(draws, axis=1) - truth, truth, ranks(draws, truth))
    return [
        RecoveryMetrics(name, *(float(v) for v in values))
        for name, *values in zip(names, *scores.values(), strict=True)
    ]


def recovery_scores(
    residual: np.ndarray, truth: np.ndarray, pit: np.ndarray
) -> dict[str, np.ndarray]:
    """Return recovery and coverage of d quantities of n galaxies.

    Parameters
    ----------
    residual
        Posterior medians minus truths, [n, d].
    truth
        True values, [n, d].
    pit
        Fraction of each posterior below its truth, [n, d].

    Returns
    -------
    dict
        ``r2`` (NaN where the truth does not vary), ``bias`` (median residual), ``nmad``,
        ``coverage_68`` and ``coverage_95``, each [d].
    """
    spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(spread > 0, 1 - (residual**2).sum(axis=0) / spread, np.nan)
    inside = coverage_curve(pit, np.array([0.68, 0.95]))
    return {
        "r2": r2,
        "bias": np.median(residual, axis=0),
        "nmad": nmad(residual, axis=0),
        "coverage_68": inside[0],
        "coverage_95": inside[1],
    }
