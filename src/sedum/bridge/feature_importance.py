"""Importance of each feature to a regressor."""

from __future__ import annotations

import numpy as np

from sedum.bridge.regressors.regressor import Regressor

__all__ = ["permutation_importance", "saliency"]


def saliency(regressor: Regressor, x: np.ndarray) -> np.ndarray | None:
    """Return the mean of |d prediction / d feature| times the feature's spread, [targets, f].

    This is the change of a prediction, in units of the target, when one feature changes by its
    standard deviation. None for regressors without gradient.
    """
    slope = regressor.gradient(x)
    if slope is None:
        return None
    return np.abs(slope).mean(0) * np.nanstd(x, axis=0)


def permutation_importance(
    regressor: Regressor, x: np.ndarray, y: np.ndarray, seed: int, repeats: int = 5
) -> np.ndarray:
    """Return the root-mean-square error that permuting a feature adds (Breiman 2001), [targets, f].

    Parameters
    ----------
    regressor
        The regressor.
    x, y
        Features [n, f] and true values [n, targets] of galaxies that were not used in training.
    seed, repeats
        Seed and number of the permutations.
    """
    rng = np.random.default_rng(seed)

    def error(features: np.ndarray) -> np.ndarray:
        return np.sqrt(np.nanmean((regressor.predict(features) - y) ** 2, axis=0))

    base = error(x)
    out = np.zeros((y.shape[1], x.shape[1]))
    for i in range(x.shape[1]):
        for _ in range(repeats):
            shuffled = x.copy()
            shuffled[:, i] = x[rng.permutation(len(x)), i]
            out[:, i] += (error(shuffled) - base) / repeats
    return out
