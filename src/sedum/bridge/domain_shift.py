"""Domain shift: differences between the features of a survey and of a simulation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from sedum.errors import SedumError

__all__ = ["DomainShift", "domain_shift", "shift_weights"]

#: Maximum number of galaxies on each side; more only take longer.
_MAX_GALAXIES = 5000
_FOLDS = 5
#: Maximum weight of a galaxy, in units of the mean.
_MAX_WEIGHT = 20.0


@dataclass(frozen=True)
class DomainShift:
    """Differences of a survey from the simulation.

    Attributes
    ----------
    accuracy, auc
        Cross-validated scores of a classifier that distinguishes them, with equal weight for both
        sides; 0.5 means no difference (classifier two-sample test, Lopez-Paz & Oquab 2017).
    p_value
        Probability of such an accuracy, or a higher one, without a difference.
    features
        For each feature the Kolmogorov-Smirnov distance, the earth mover's distance and the
        difference of the medians, both in units of the simulation's standard deviation.
    """

    accuracy: float
    auc: float
    p_value: float
    features: dict[str, dict[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def domain_shift(
    names: list[str], simulation: np.ndarray, survey: np.ndarray, seed: int
) -> DomainShift:
    """Measure the shift between features [n, f] of a simulation and [m, f] of a survey.

    Raises
    ------
    SedumError
        If there are fewer than ten galaxies on a side.
    """
    a, b = _random_subset(simulation, seed), _random_subset(survey, seed + 1)
    probability, side = _classified(a, b, seed)
    guess = probability > 0.5
    right = np.array([np.mean(guess[side == s] == s) for s in (0, 1)])
    accuracy = float(right.mean())
    sigma = np.sqrt((0.25 / len(a) + 0.25 / len(b)) / 4)
    shifts = {}
    for i, name in enumerate(names):
        x, y = (v[np.isfinite(v[:, i]), i] for v in (simulation, survey))
        if len(x) == 0 or len(y) == 0:
            continue
        scale = max(float(np.std(x)), 1e-9)
        shifts[name] = {
            "ks": float(stats.ks_2samp(x, y).statistic),
            "earth_mover": float(stats.wasserstein_distance(x, y) / scale),
            "median_shift": float((np.median(y) - np.median(x)) / scale),
        }
    return DomainShift(
        accuracy,
        float(roc_auc_score(side, probability)),
        float(stats.norm.sf((accuracy - 0.5) / sigma)),
        shifts,
    )


def shift_weights(
    simulation: np.ndarray, survey: np.ndarray, seed: int
) -> tuple[np.ndarray, float]:
    """Return weights that match the simulation to the survey, and their effective fraction.

    Weights are the odds of a classifier that is trained on the other folds (Bickel et al. 2009).
    They are limited to 20 times the mean, and their mean is 1.

    Parameters
    ----------
    simulation, survey
        Features, [n, f] and [m, f].
    seed
        Seed of the folds.

    Returns
    -------
    weights : ndarray
        Weights of the simulated galaxies, [n].
    fraction : float
        The effective fraction, (Σw)² / Σw² / n.
    """
    b = _random_subset(survey, seed + 1)
    _require_enough(simulation, b)
    weights = np.empty(len(simulation))
    which = np.random.default_rng(seed).permutation(len(simulation)) % _FOLDS
    for fold in range(_FOLDS):
        others = _random_subset(simulation[which != fold], seed)
        classifier = _classifier(seed).fit(
            np.concatenate([others, b]),
            np.concatenate([np.zeros(len(others)), np.ones(len(b))]),
            sample_weight=_balance(len(others), len(b)),
        )
        p = np.clip(classifier.predict_proba(simulation[which == fold])[:, 1], 1e-4, 1 - 1e-4)
        weights[which == fold] = p / (1 - p)
    weights = np.minimum(weights / weights.mean(), _MAX_WEIGHT)
    weights /= weights.mean()
    return weights, float(weights.sum() ** 2 / (weights**2).sum() / len(weights))


def _random_subset(x: np.ndarray, seed: int) -> np.ndarray:
    if len(x) <= _MAX_GALAXIES:
        return x
    return x[np.random.default_rng(seed).choice(len(x), _MAX_GALAXIES, replace=False)]


def _require_enough(a: np.ndarray, b: np.ndarray) -> None:
    if min(len(a), len(b)) < 10:
        raise SedumError(
            f"domain shift: {len(a)} simulated and {len(b)} survey galaxies; ten of each are needed"
        )


def _classifier(seed: int) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=100, max_leaf_nodes=15, learning_rate=0.1, random_state=seed
    )


def _balance(n: int, m: int) -> np.ndarray:
    return np.concatenate([np.full(n, 0.5 * (n + m) / n), np.full(m, 0.5 * (n + m) / m)])


def _classified(a: np.ndarray, b: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return out-of-fold probabilities of belonging to the survey, and the true side."""
    _require_enough(a, b)
    x, side = np.concatenate([a, b]), np.concatenate([np.zeros(len(a)), np.ones(len(b))])
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    probability = cross_val_predict(
        _classifier(seed),
        x,
        side,
        cv=folds,
        method="predict_proba",
        params={"sample_weight": _balance(len(a), len(b))},
    )[:, 1]
    return probability, side
