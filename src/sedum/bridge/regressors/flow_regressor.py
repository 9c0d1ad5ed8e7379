"""sedum's conditional flow as a regressor: full posteriors of the targets."""

from __future__ import annotations

import copy

import numpy as np
import torch

from sedum.bridge.regressors.regressor import Inputs
from sedum.bridge.training_examples import Examples, Scaling
from sedum.config import TrainingSettings
from sedum.config.bridge_file import FlowRegressionSettings
from sedum.infer.condition import Condition
from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.densities.hypernetwork_flow import HypernetworkFlow
from sedum.infer.embedding import ResidualNetwork
from sedum.infer.estimator import Estimator
from sedum.infer.training.training_state import TrainingState
from sedum.progress import Advance
from sedum.storage import tensors_below

__all__ = ["FlowRegressor", "fit_flow"]

_PORTION = 8192
_ROUND = 200
_STALE = 5


class FlowRegressor:
    """Posterior of the targets given the features.

    Parameters
    ----------
    spec
        Settings of the flow and its number of draws.
    inputs, outputs
        Scaling of features and targets.
    estimator
        The flow.
    """

    def __init__(
        self, spec: FlowRegressionSettings, inputs: Inputs, outputs: Scaling, estimator: Estimator
    ):
        self.spec, self.inputs, self.outputs = spec, inputs, outputs
        self.estimator = estimator.eval().requires_grad_(False)
        self.partial = inputs.masks

    def sample(self, x: np.ndarray, n_draws: int, seed: int = 1) -> np.ndarray:
        """Return posterior draws, [n, draws, targets], of features [n, f]."""
        out = np.empty((len(x), n_draws, len(self.outputs.mean)), np.float32)
        for start in range(0, len(x), _PORTION):
            rows = slice(start, start + _PORTION)
            features = torch.from_numpy(self.inputs(x[rows]))
            keys = np.arange(start, start + len(features))
            base = BaseSamples.of(keys, n_draws, self.estimator.n_base, seed)
            drawn = self.estimator.sample(base, Condition.without_redshift(features))
            out[rows] = self.outputs.back(drawn.numpy())
        return out

    def log_prob(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return ln p(y | x), [n], of targets [n, targets]."""
        unit = torch.from_numpy(self.outputs.to_unit(y))
        features = torch.from_numpy(self.inputs(x))
        density = self.estimator.log_prob(unit, Condition.without_redshift(features))
        return density.numpy() - np.log(self.outputs.spread).sum()

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return posterior medians, [n, targets]; see :class:`Regressor`."""
        return self._percentiles(x, [50])[0]

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Return half the distance of the 16th and 84th percentiles, [n, targets]."""
        low, high = self._percentiles(x, [16, 84])
        return (high - low) / 2

    def _percentiles(self, x: np.ndarray, which: list[float]) -> np.ndarray:
        out = np.empty((len(which), len(x), len(self.outputs.mean)))
        for start in range(0, len(x), _PORTION):
            rows = slice(start, start + _PORTION)
            out[:, rows] = np.percentile(self.sample(x[rows], self.spec.draws), which, axis=1)
        return out

    def gradient(self, x: np.ndarray) -> None:
        """Return None: medians of draws have no gradient here."""
        return

    def arrays(self) -> dict[str, np.ndarray]:
        """Return weights and scalings; see :class:`Regressor`."""
        arrays = {f"flow.{k}": v.numpy() for k, v in self.estimator.state_dict().items()}
        arrays |= {"x.mean": self.inputs.scaling.mean, "x.spread": self.inputs.scaling.spread}
        arrays |= {"y.mean": self.outputs.mean, "y.spread": self.outputs.spread}
        return {**arrays, "masks": np.array([self.inputs.masks], np.uint8)}

    @classmethod
    def from_arrays(
        cls, spec: FlowRegressionSettings, arrays: dict[str, np.ndarray]
    ) -> FlowRegressor:
        """Undo :meth:`arrays`."""
        inputs = Inputs(Scaling(arrays["x.mean"], arrays["x.spread"]), bool(arrays["masks"][0]))
        outputs = Scaling(arrays["y.mean"], arrays["y.spread"])
        estimator = _build(spec, inputs.size, len(outputs.mean))
        weights = tensors_below("flow", arrays)
        estimator.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
        return cls(spec, inputs, outputs, estimator)


def _build(spec: FlowRegressionSettings, inputs: int, targets: int) -> Estimator:
    density = HypernetworkFlow(targets, spec.width, spec.layers, spec.bins, spec.components)
    return Estimator(ResidualNetwork(inputs, spec.width, spec.blocks), density, None)


def fit_flow(
    spec: FlowRegressionSettings,
    examples: Examples,
    held_out: Examples,
    seed: int,
    advance: Advance | None = None,
) -> FlowRegressor:
    """Train by maximum likelihood; keep the weights with the best held-out loss."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    first = examples.draw(rng)
    masks = bool(np.isnan(first).any()) or examples.missing
    inputs, outputs = Inputs(Scaling.of(first), masks), Scaling.of(examples.y)
    estimator = _build(spec, inputs.size, examples.y.shape[1])
    training = TrainingSettings(steps=spec.steps, learning_rate=spec.learning_rate, averaging=0.995)
    state = TrainingState(estimator, training)
    y = torch.from_numpy(outputs.to_unit(examples.y))
    weight = torch.from_numpy(examples.weight.astype(np.float32))
    x, y_held = torch.from_numpy(inputs(first)), torch.from_numpy(outputs.to_unit(held_out.y))
    x_held = torch.from_numpy(inputs(held_out.draw(rng)))
    w_held = torch.from_numpy(held_out.weight.astype(np.float32))
    batch = min(spec.batch, len(y))
    for step in range(spec.steps):
        if step and step % _ROUND == 0:
            with torch.no_grad():
                losses = state.averaged.loss(y_held, Condition.without_redshift(x_held))
            state.close_round(float((losses * w_held).mean()))
            if advance is not None:
                advance(_ROUND, note=f"held-out loss {state.losses[-1]:.3f}")
            if state.round - state.best_round >= _STALE:
                break
            if examples.varied:
                x = torch.from_numpy(inputs(examples.draw(rng)))
        rows = torch.from_numpy(rng.integers(0, len(y), batch))
        losses = estimator.loss(y[rows], Condition.without_redshift(x[rows]))
        state.step((losses * weight[rows]).mean(), step)
    with torch.no_grad():
        losses = state.averaged.loss(y_held, Condition.without_redshift(x_held))
    state.close_round(float((losses * w_held).mean()))
    estimator = copy.deepcopy(estimator)
    estimator.load_state_dict(state.best)
    return FlowRegressor(spec, inputs, outputs, estimator)
