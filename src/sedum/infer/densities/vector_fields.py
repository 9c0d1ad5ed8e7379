"""Densities of sbi: flow matching and score-based, sampled by integrating an equation."""

from __future__ import annotations

from typing import Any

import torch

from sedum.errors import SedumError
from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.densities.conditional_density import Density, LogProb
from sedum.infer.recalibration import BaseTransform, log_standard

__all__ = ["VectorField"]


class VectorField(Density):
    """Flow matching (Lipman et al. 2023) or a score-based density (Song et al. 2021).

    A network gives the velocity that carries a normal distribution to the posterior. Draws and
    densities integrate it in equal steps of the fourth-order Runge-Kutta method, densities with
    the exact divergence.

    Parameters
    ----------
    kind
        ``flow_matching`` or ``score``.
    dimension, context
        Sizes of latent space and context.
    hidden, layers
        Width and depth of the velocity's network.
    steps
        Number of steps of the integration.

    Raises
    ------
    SedumError
        If the package sbi is not installed.
    """

    random_loss = True

    def __init__(
        self, kind: str, dimension: int, context: int, hidden: int, layers: int, steps: int
    ):
        super().__init__()
        self.dimension = self.n_base = dimension
        self.steps = steps
        self.field = _build(kind, dimension, context, hidden, layers)
        self._first = 1e-3 if kind == "score" else 0.0

    def loss(self, y: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return the regression loss of the velocity or score, [n]; not a log density."""
        return self.field.loss(y, context)

    def _velocity(self, y: torch.Tensor, context: torch.Tensor, time: float) -> torch.Tensor:
        """Return dy/dt, [n, draws, d]."""
        n, draws, d = y.shape
        flat = y.reshape(-1, d)
        wide = context[:, None].expand(n, draws, -1).reshape(n * draws, -1)
        return self.field.ode_fn(flat, wide, torch.full((len(flat),), time).to(y)).reshape(y.shape)

    def sample(
        self, samples: BaseSamples, prepared: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Return draws; see :class:`Density`."""
        base = samples.normals(prepared.device).to(prepared)
        base = base if transform is None else transform.forward(base)
        y = self.field.mean_base + self.field.std_base * base
        step = (self._first - 1.0) / self.steps
        for i in range(self.steps):
            y = y + step * _runge_kutta(
                lambda at, t: self._velocity(at, prepared, t), y, 1.0 + i * step, step
            )
        return y

    def at(self, y: torch.Tensor, context: torch.Tensor) -> LogProb:
        """Return the log density; see :class:`Density`."""
        many = y.dim() == 3
        at = y if many else y[:, None]

        def both(state: torch.Tensor, time: float) -> torch.Tensor:
            velocity, divergence = self._with_divergence(state[..., :-1], context, time)
            return torch.cat([velocity, divergence[..., None]], dim=-1)

        state = torch.cat([at, torch.zeros_like(at[..., :1])], dim=-1)
        step = (1.0 - self._first) / self.steps
        for i in range(self.steps):
            state = state + step * _runge_kutta(both, state, self._first + i * step, step)
        x = (state[..., :-1] - self.field.mean_base) / self.field.std_base
        scale = self.field.std_base.expand(1, self.dimension).log().sum()
        x, log_slope = x.detach(), (state[..., -1] - scale).detach()
        x, log_slope = (x, log_slope) if many else (x[:, 0], log_slope[:, 0])
        return lambda transform: log_slope + log_standard(x, transform)

    def _with_divergence(
        self, y: torch.Tensor, context: torch.Tensor, time: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            velocity = self._velocity(y, context.detach(), time)
            total = torch.zeros_like(y[..., 0])
            for j in range(self.dimension):
                (slope,) = torch.autograd.grad(velocity[..., j].sum(), y, retain_graph=True)
                total = total + slope[..., j]
        return velocity.detach(), total.detach()


def _runge_kutta(slope: Any, y: torch.Tensor, time: float, step: float) -> torch.Tensor:
    """Return the mean slope over a step."""
    a = slope(y, time)
    b = slope(y + 0.5 * step * a, time + 0.5 * step)
    c = slope(y + 0.5 * step * b, time + 0.5 * step)
    d = slope(y + step * c, time + step)
    return (a + 2 * b + 2 * c + d) / 6


def _build(kind: str, dimension: int, context: int, hidden: int, layers: int) -> Any:
    try:
        from sbi.neural_nets.net_builders.vector_field_nets import build_vector_field_estimator
    except ImportError:
        raise SedumError(
            f"estimator.kind: {kind} needs the package sbi: pip install 'sedum[sbi]'"
        ) from None
    extra = {"sde_type": "ve"} if kind == "score" else {}
    return build_vector_field_estimator(
        torch.randn(64, dimension),  # the prior, by whose mean and spread it is standardised
        torch.randn(64, context),
        estimator_type="score" if kind == "score" else "flow",
        z_score_x="none",
        z_score_y="none",
        hidden_features=hidden,
        num_layers=layers,
        net="ada_mlp",
        **extra,
    )
