"""Errors of predictions, from the photometry and from the model."""

from __future__ import annotations

from typing import Any

import numpy as np

from sedum.bridge.magnitude_features import FeatureSet
from sedum.bridge.regressors.regressor import Regressor

__all__ = ["ScatterModel", "photometric_errors"]

#: Galaxies for each point of the scatter (an error of about 10%), and the maximum number of points.
_EACH, _POINTS = 60, 12
#: Number of rows that are perturbed together.
_PORTION = 50_000


def photometric_errors(
    regressor: Regressor,
    features: FeatureSet,
    magnitude: np.ndarray,
    error: np.ndarray,
    redshift: np.ndarray,
    perturbations: int,
    seed: int,
) -> np.ndarray:
    """Propagate photometric errors by perturbation.

    Normal errors are added to the magnitudes of each galaxy, in pairs of opposite sign. All
    features of a band change together.

    Parameters
    ----------
    regressor, features
        The regressor and its features.
    magnitude, error
        AB magnitudes and their errors, [n, bands]; NaN where a band is missing.
    redshift
        Redshifts, [n].
    perturbations
        Number of perturbations, even. The relative error of the result is
        1 / sqrt(2 perturbations).
    seed
        Seed of the perturbations.

    Returns
    -------
    ndarray
        One-sigma errors, [n, targets].
    """
    rng = np.random.default_rng(seed)
    pairs = max(perturbations // 2, 1)
    parts = []
    for start in range(0, len(magnitude), _PORTION):
        rows = slice(start, start + _PORTION)
        m, e, z = magnitude[rows], np.nan_to_num(error[rows]), redshift[rows]
        total = np.zeros(1)
        total_square = np.zeros(1)
        for _ in range(pairs):
            step = e * rng.standard_normal(m.shape, dtype=np.float32)
            for sign in (1, -1):
                predicted = regressor.predict(features(m + sign * step, z))
                total = total + predicted
                total_square = total_square + predicted**2
        count = 2 * pairs
        variance = (total_square - total**2 / count) / (count - 1)
        parts.append(np.sqrt(np.maximum(variance, 0)))
    return np.concatenate(parts) if parts else np.empty((0, 1))


class ScatterModel:
    """The scatter of the model about the truth as a function of the predicted value.

    Parameters
    ----------
    at, sigma
        Increasing predicted values and the one-sigma scatter there, [k]. Values between are
        interpolated linearly; outside, the nearest value is used.
    """

    def __init__(self, at: np.ndarray, sigma: np.ndarray):
        self.at, self.sigma = np.asarray(at, float), np.asarray(sigma, float)

    @classmethod
    def fit(
        cls, predicted: np.ndarray, residual: np.ndarray, known: np.ndarray | None = None
    ) -> ScatterModel:
        """Measure half the distance between the 16th and 84th percentiles, in bins of equal count.

        Parameters
        ----------
        predicted, residual
            Predicted values and residuals of galaxies with known truth, [n].
        known
            One-sigma errors that are accounted for elsewhere (photometry and reference), [n].
            Their mean square is subtracted.
        """
        points = int(np.clip(len(predicted) // _EACH, 1, _POINTS))
        order = np.argsort(predicted)
        at, sigma = [], []
        for rows in np.array_split(order, points):
            low, high = np.percentile(residual[rows], [16, 84])
            square = ((high - low) / 2) ** 2
            if known is not None:
                # If known errors explain all scatter, a tenth is kept: no prediction is exact.
                square = max(square - float(np.mean(known[rows] ** 2)), 0.01 * square)
            at.append(float(np.median(predicted[rows])))
            sigma.append(float(np.sqrt(square)))
        return cls(np.array(at), np.array(sigma))

    def __call__(self, predicted: np.ndarray) -> np.ndarray:
        """Return one sigma at predicted values, [n]."""
        return np.interp(predicted, self.at, self.sigma)

    def state(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"at": self.at.tolist(), "sigma": self.sigma.tolist()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ScatterModel:
        """Undo :meth:`state`."""
        return cls(np.array(state["at"]), np.array(state["sigma"]))
