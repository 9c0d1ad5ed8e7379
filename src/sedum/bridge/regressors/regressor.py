"""The interface of regressors, and the preparation of their inputs."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sedum.bridge.training_examples import Scaling

__all__ = ["Inputs", "Regressor"]


class Inputs:
    """Features as inputs of a network: standardised, 0 where missing, with a mask of missing ones.

    Parameters
    ----------
    scaling
        Scaling of the features.
    masks
        Whether the mask of missing features is an input.
    """

    def __init__(self, scaling: Scaling, masks: bool):
        self.scaling, self.masks = scaling, masks

    @property
    def size(self) -> int:
        """The number of inputs."""
        return len(self.scaling.mean) * (2 if self.masks else 1)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return inputs, float32, [n, size], of features [n, f]."""
        unit = self.scaling.to_unit(x)
        if not self.masks:
            return np.nan_to_num(unit, copy=False)
        absent = np.isnan(unit)
        return np.concatenate([np.where(absent, np.float32(0), unit), absent], 1, dtype=np.float32)


class Regressor(Protocol):
    """The interface of a trained regressor: networks, trees and the flow."""

    #: Whether it can predict if some features are missing.
    partial: bool

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return predictions, [n, targets], of features [n, f]."""

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Return the one-sigma error that the regressor estimates itself, [n, targets]."""

    def gradient(self, x: np.ndarray) -> np.ndarray | None:
        """Return d prediction / d feature, [n, targets, f]; None without a gradient."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return its weights, to be stored."""
