"""The residual of predictions as a smooth function of the predicted value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sedum.config.bridge_file import CorrectionSettings
from sedum.errors import SedumError
from sedum.statistics import MAD_TO_SIGMA

__all__ = ["ResidualCorrection", "corrected_out_of_fold", "folds_of"]

#: Residuals beyond this many sigma are downweighted (Huber 1964), because of chance matches.
_HUBER = 1.5
_ROUNDS = 20
#: Quantiles of the predicted values at which the outer knots, or the limits of polynomials, are.
_ENDS = (0.02, 0.98)


class ResidualCorrection:
    """The expected residual of one target, which is subtracted from its predictions.

    It is a natural cubic spline (Hastie, Tibshirani & Friedman 2009, eq. 5.4), which is linear
    outside its knots, or a polynomial, which is constant beyond the 2nd and 98th percentiles of
    the predicted values.

    Parameters
    ----------
    kind
        ``spline`` or ``polynomial``.
    knots
        Knots of the spline; limits of the polynomial.
    coefficients
        Coefficients of the basis functions.
    """

    def __init__(self, kind: str, knots: np.ndarray, coefficients: np.ndarray):
        self.kind = kind
        self.knots, self.coefficients = np.asarray(knots, float), np.asarray(coefficients, float)

    @classmethod
    def fit(
        cls, spec: CorrectionSettings, predicted: np.ndarray, truth: np.ndarray
    ) -> ResidualCorrection:
        """Fit residuals (predicted - truth) robustly, with less weight beyond 1.5 sigma.

        Raises
        ------
        SedumError
            If there are too few galaxies for the number of coefficients.
        """
        if spec.kind == "polynomial":
            knots = np.quantile(predicted, _ENDS)
            minimum = 5 * (spec.degree + 1)
        else:
            knots = np.unique(np.quantile(predicted, np.linspace(*_ENDS, spec.knots)))
            minimum = 5 * spec.knots
        if len(predicted) < minimum or np.ptp(knots) == 0:
            raise SedumError(
                f"correction: {len(predicted)} galaxies with a reference value, or all with the "
                f"same prediction; at least {minimum} are needed, or correction: {{kind: none}}"
            )
        made = cls(spec.kind, knots, np.zeros(0))
        basis = made._basis(predicted, spec.degree)
        residual = predicted - truth
        weight = np.ones(len(residual))
        for _ in range(_ROUNDS):
            root = np.sqrt(weight)
            coefficients, *_ = np.linalg.lstsq(basis * root[:, None], residual * root, rcond=None)
            off = np.abs(residual - basis @ coefficients)
            sigma = max(MAD_TO_SIGMA * np.median(off), 1e-9)
            weight = np.minimum(1, _HUBER * sigma / np.maximum(off, 1e-12))
        return cls(spec.kind, knots, coefficients)

    def __call__(self, predicted: np.ndarray) -> np.ndarray:
        """Return the expected residual at predicted values, to be subtracted, [n]."""
        return self._basis(predicted, len(self.coefficients) - 1) @ self.coefficients

    def _basis(self, predicted: np.ndarray, degree: int) -> np.ndarray:
        low, high = self.knots[0], self.knots[-1]
        # In units of the span, so that cubes are not large.
        x = (np.asarray(predicted, float) - low) / (high - low)
        if self.kind == "polynomial":
            return np.clip(x, 0, 1)[:, None] ** np.arange(degree + 1)
        knots = (self.knots - low) / (high - low)

        def cubic(k: int) -> np.ndarray:
            return (_cubed(x - knots[k]) - _cubed(x - knots[-1])) / (knots[-1] - knots[k])

        last = cubic(len(knots) - 2)
        curved = [cubic(k) - last for k in range(len(knots) - 2)]
        return np.stack([np.ones_like(x), x, *curved], axis=1)

    def state(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = {"knots": self.knots.tolist(), "coefficients": self.coefficients.tolist()}
        return {"kind": self.kind, **values}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ResidualCorrection:
        """Undo :meth:`state`."""
        return cls(state["kind"], np.array(state["knots"]), np.array(state["coefficients"]))


def _cubed(x: np.ndarray) -> np.ndarray:
    """Return max(x, 0)³; by products, since powers take ten times as long."""
    above = np.maximum(x, 0)
    return above * above * above


def folds_of(n: int, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the other rows and the rows of each fold, as masks [n]; every row is in one fold."""
    which = np.random.default_rng(seed).permutation(n) % folds
    for fold in range(folds):
        yield which != fold, which == fold


def corrected_out_of_fold(
    spec: CorrectionSettings, predicted: np.ndarray, truth: np.ndarray, seed: int
) -> np.ndarray:
    """Return predictions [n], each corrected by a fit to the other folds."""
    if spec.kind == "none":
        return predicted.copy()
    out = np.empty_like(predicted)
    for others, fold in folds_of(len(predicted), spec.folds, seed):
        out[fold] = predicted[fold] - ResidualCorrection.fit(
            spec, predicted[others], truth[others]
        )(predicted[fold])
    return out
