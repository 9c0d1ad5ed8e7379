"""An ensemble of networks with one hidden layer, trained together."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from sedum.bridge.regressors.regressor import Inputs
from sedum.bridge.training_examples import Examples, Scaling
from sedum.config.bridge_file import SingleLayerSettings
from sedum.progress import Advance
from sedum.storage import tensors_below

__all__ = ["SingleLayerEnsemble", "fit_single_layer"]

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
}
#: Number of rows evaluated together, small enough for the cache of the processor.
_PORTION = 512
#: The learning rate is halved after this number of epochs without progress.
_STALLED = 5


class _Layers(nn.Module):
    """The layers of all members: inputs [members, n, inputs] to outputs [members, n, targets]."""

    def __init__(
        self, members: int, inputs: int, width: int, targets: int, activation: str, seed: int
    ):
        super().__init__()
        first, second = [], []
        for member in range(members):
            generator = torch.Generator().manual_seed(seed * 1009 + member)
            first.append(torch.randn(inputs, width, generator=generator) * (2 / inputs) ** 0.5)
            second.append(torch.randn(width, targets, generator=generator) / width**0.5)
        self.first = nn.Parameter(torch.stack(first))
        self.second = nn.Parameter(torch.stack(second))
        self.first_bias = nn.Parameter(torch.zeros(members, 1, width))
        self.second_bias = nn.Parameter(torch.zeros(members, 1, targets))
        self.activation = _ACTIVATIONS[activation]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.activation(torch.baddbmm(self.first_bias, x, self.first))
        return torch.baddbmm(self.second_bias, hidden, self.second)


class SingleLayerEnsemble:
    """The mean of networks that differ in their initial weights and order of galaxies.

    Parameters
    ----------
    spec
        Settings: width and activation.
    inputs
        Conversion of features to inputs.
    outputs
        Scaling of the targets.
    layers
        The weights.
    """

    def __init__(
        self, spec: SingleLayerSettings, inputs: Inputs, outputs: Scaling, layers: _Layers
    ):
        self.spec, self.inputs, self.outputs, self.layers = spec, inputs, outputs, layers
        self.partial = inputs.masks
        self.layers.requires_grad_(False)
        # All members are one wide layer, so that one matrix product evaluates them.
        members, size, width = layers.first.shape
        self._wide = layers.first.permute(1, 0, 2).reshape(size, members * width).contiguous()
        self._wide_bias = layers.first_bias.reshape(-1)
        self._mean = (layers.second.reshape(members * width, -1) / members).contiguous()
        self._mean_bias = layers.second_bias.mean(0)[0]

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return the mean over members, [n, targets]; see :class:`Regressor`."""
        out = np.empty((len(x), len(self.outputs.mean)))
        for rows, unit in self._portions(x):
            hidden = self.layers.activation(torch.addmm(self._wide_bias, unit, self._wide))
            out[rows] = torch.addmm(self._mean_bias, hidden, self._mean).numpy()
        return self.outputs.back(out)

    def spread(self, x: np.ndarray) -> np.ndarray:
        """Return the standard deviation over members, [n, targets]."""
        if len(self.layers.first) < 2:
            return np.zeros((len(x), len(self.outputs.mean)))
        out = np.empty((len(x), len(self.outputs.mean)))
        for rows, unit in self._portions(x):
            each = self.layers(unit.expand(len(self.layers.first), *unit.shape))
            out[rows] = each.std(0).numpy()
        return out * self.outputs.spread

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return d prediction / d feature of the mean, [n, targets, f]."""
        count, f = len(self.outputs.mean), len(self.inputs.scaling.mean)
        out = np.empty((len(x), count, f))
        for rows, unit in self._portions(x):
            unit = unit.clone().requires_grad_(True)
            hidden = self.layers.activation(torch.addmm(self._wide_bias, unit, self._wide))
            values = torch.addmm(self._mean_bias, hidden, self._mean)
            for k in range(count):
                (slope,) = torch.autograd.grad(values[:, k].sum(), unit, retain_graph=True)
                out[rows, k] = slope[:, :f].numpy()
        return out * self.outputs.spread[None, :, None] / self.inputs.scaling.spread

    def _portions(self, x: np.ndarray):  # type: ignore[no-untyped-def]
        for start in range(0, len(x), _PORTION):
            rows = slice(start, start + _PORTION)
            yield rows, torch.from_numpy(self.inputs(x[rows]))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return weights and scalings; see :class:`Regressor`."""
        arrays = {f"layers.{k}": v.numpy() for k, v in self.layers.state_dict().items()}
        arrays |= {"x.mean": self.inputs.scaling.mean, "x.spread": self.inputs.scaling.spread}
        arrays |= {"y.mean": self.outputs.mean, "y.spread": self.outputs.spread}
        return {**arrays, "masks": np.array([self.inputs.masks], np.uint8)}

    @classmethod
    def from_arrays(
        cls, spec: SingleLayerSettings, arrays: dict[str, np.ndarray]
    ) -> SingleLayerEnsemble:
        """Undo :meth:`arrays`."""
        inputs = Inputs(Scaling(arrays["x.mean"], arrays["x.spread"]), bool(arrays["masks"][0]))
        members, size, width = arrays["layers.first"].shape
        targets = arrays["layers.second"].shape[2]
        layers = _Layers(members, size, width, targets, spec.activation, 0)
        weights = tensors_below("layers", arrays)
        layers.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
        return cls(spec, inputs, Scaling(arrays["y.mean"], arrays["y.spread"]), layers)


def fit_single_layer(
    spec: SingleLayerSettings,
    examples: Examples,
    held_out: Examples,
    seed: int,
    advance: Advance | None = None,
) -> SingleLayerEnsemble:
    """Train the members by mean squared error, each until its held-out error stops improving.

    Parameters
    ----------
    spec
        Settings of sizes and training.
    examples, held_out
        Galaxies for training, and for stopping.
    seed
        Seed of initial weights and orders.
    advance
        Called after every epoch.
    """
    rng = np.random.default_rng(seed)
    first = examples.draw(rng)
    masks = bool(np.isnan(first).any()) or examples.missing
    inputs, outputs = Inputs(Scaling.of(first), masks), Scaling.of(examples.y)
    layers = _Layers(
        spec.members, inputs.size, spec.width, examples.y.shape[1], spec.activation, seed
    )
    optimiser = torch.optim.AdamW(
        layers.parameters(), lr=spec.learning_rate, weight_decay=spec.weight_decay
    )
    y = torch.from_numpy(outputs.to_unit(examples.y))
    weight = torch.from_numpy(examples.weight.astype(np.float32))
    x_held = torch.from_numpy(inputs(held_out.draw(rng))).expand(spec.members, -1, -1)
    y_held = torch.from_numpy(outputs.to_unit(held_out.y))
    w_held = torch.from_numpy(held_out.weight.astype(np.float32))[:, None]
    best_loss = torch.full((spec.members,), torch.inf)
    best = copy.deepcopy(layers.state_dict())
    x, stale = torch.from_numpy(inputs(first)), 0
    batch = min(spec.batch, len(y))
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(spec.epochs):
        if epoch and examples.varied:
            x = torch.from_numpy(inputs(examples.draw(rng)))
        # Each member has its own order of galaxies.
        order = torch.stack([torch.randperm(len(y), generator=generator) for _ in best_loss])
        for start in range(0, len(y) - batch + 1, batch):
            rows = order[:, start : start + batch]
            loss = ((layers(x[rows]) - y[rows]) ** 2 * weight[rows][..., None]).mean((1, 2)).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            losses = ((layers(x_held) - y_held) ** 2 * w_held).mean((1, 2))
        better = losses < best_loss * (1 - 1e-4)
        for name, value in layers.state_dict().items():
            best[name][better] = value[better]
        best_loss = torch.where(better, losses, best_loss)
        stale = 0 if better.any() else stale + 1
        if stale and stale % _STALLED == 0:
            for group in optimiser.param_groups:
                group["lr"] /= 2
        if advance is not None:
            advance(1, note=f"held-out error {float(best_loss.mean()) ** 0.5:.4f} of the spread")
        if stale >= spec.patience:
            break
    layers.load_state_dict(best)
    return SingleLayerEnsemble(spec, inputs, outputs, layers)
