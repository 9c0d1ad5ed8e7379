"""What every regressor can do, and how its inputs are prepared."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sedum.bridge.training_examples import Scaling

__all__ = ["Inputs", "Regressor"]


class Inputs:
    """Features as a network takes them: standardised, 0 where missing, and what is missing.

    Parameters
    ----------
    scaling
        Of the features.
    masks
        Whether it is told which are missing.
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
    """A trained regressor: the same for networks, trees and the flow."""

    #: Whether it predicts from features of which some are missing.
    partial: bool

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return predictions, [n, targets], of features [n, f]."""

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Return how uncertain the regressor is by itself, one sigma, [n, targets]."""

    def gradient(self, x: np.ndarray) -> np.ndarray | None:
        """Return d prediction / d feature, [n, targets, f]; None where it has none."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what it has learnt, to be stored."""
