"""What every regressor can do, and how its inputs are prepared."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from sedum.bridge.examples import Examples, Scaling
from sedum.config.bridge import BridgeRun, FlowRegression, SingleLayer, Trees
from sedum.progress import Advance

__all__ = ["Inputs", "Regressor", "fit_regressor", "read_regressor"]


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


def fit_regressor(
    run: BridgeRun, examples: Examples, held_out: Examples, advance: Advance | None = None
) -> Regressor:
    """Train the regressor that a run file asks for; ``held_out`` galaxies stop the training."""
    spec = run.regression
    if isinstance(spec, Trees):
        from sedum.bridge.trees import fit_trees

        return fit_trees(spec, examples, held_out, run.seed)
    if isinstance(spec, FlowRegression):
        from sedum.bridge.flow import fit_flow

        return fit_flow(spec, examples, held_out, run.seed, advance)
    from sedum.bridge.single_layer import fit_single_layer

    return fit_single_layer(spec, examples, held_out, run.seed, advance)


def read_regressor(
    spec: SingleLayer | Trees | FlowRegression, arrays: dict[str, np.ndarray]
) -> Regressor:
    """Make a regressor of what :meth:`Regressor.arrays` returned."""
    kinds: dict[str, Any] = {}
    if isinstance(spec, Trees):
        from sedum.bridge.trees import BoostedTrees

        kinds["trees"] = BoostedTrees
    elif isinstance(spec, FlowRegression):
        from sedum.bridge.flow import FlowRegressor

        kinds["flow"] = FlowRegressor
    else:
        from sedum.bridge.single_layer import SingleLayerEnsemble

        kinds["single_layer"] = SingleLayerEnsemble
    return kinds[spec.kind].from_arrays(spec, arrays)
