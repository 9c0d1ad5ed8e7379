"""Training and reading of the kinds of regressors that a run file can name."""

from __future__ import annotations

import numpy as np

from sedum.bridge.regressors.regressor import Regressor
from sedum.bridge.training_examples import Examples
from sedum.config.bridge_file import (
    BridgeFile,
    FlowRegressionSettings,
    SingleLayerSettings,
    TreeSettings,
)
from sedum.progress import Advance

__all__ = ["fit_regressor", "read_regressor"]


def fit_regressor(
    run: BridgeFile, examples: Examples, held_out: Examples, advance: Advance | None = None
) -> Regressor:
    """Train the regressor of a run file; ``held_out`` galaxies stop the training."""
    spec = run.regression
    if isinstance(spec, TreeSettings):
        from sedum.bridge.regressors.trees import fit_trees

        return fit_trees(spec, examples, held_out, run.seed)
    if isinstance(spec, FlowRegressionSettings):
        from sedum.bridge.regressors.flow_regressor import fit_flow

        return fit_flow(spec, examples, held_out, run.seed, advance)
    from sedum.bridge.regressors.single_layer import fit_single_layer

    return fit_single_layer(spec, examples, held_out, run.seed, advance)


def read_regressor(
    spec: SingleLayerSettings | TreeSettings | FlowRegressionSettings, arrays: dict[str, np.ndarray]
) -> Regressor:
    """Return the regressor whose :meth:`Regressor.arrays` are given."""
    if isinstance(spec, TreeSettings):
        from sedum.bridge.regressors.trees import BoostedTrees

        return BoostedTrees.from_arrays(spec, arrays)
    if isinstance(spec, FlowRegressionSettings):
        from sedum.bridge.regressors.flow_regressor import FlowRegressor

        return FlowRegressor.from_arrays(spec, arrays)
    from sedum.bridge.regressors.single_layer import SingleLayerEnsemble

    return SingleLayerEnsemble.from_arrays(spec, arrays)
