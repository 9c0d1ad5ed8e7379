"""The conditional density estimator: a network that writes each galaxy's flow."""

from __future__ import annotations

import math

import torch
from torch import nn

from sedum import config
from sedum.infer.flow import FlowShape

__all__ = ["Estimator"]

_LOG_TWO_PI = math.log(2 * math.pi)


class ResidualBlock(nn.Module):
    """x + f(x), with f two linear maps behind a layer normalisation."""

    def __init__(self, width: int):
        super().__init__()
        last = nn.Linear(width, width)
        # A block that starts as the identity lets depth be added without harm.
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.inner = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


class Estimator(nn.Module):
    """p(y | observation) in the latent space, where the prior is a standard normal.

    Parameters
    ----------
    features
        The number of features of an observation.
    dimension
        The number of latent coordinates.
    spec
        Sizes, from the run file.
    anchored
        Index of the coordinate that a given redshift pins down, or None.

    Notes
    -----
    With ``anchor`` = (centre, width) the estimator works in (y - centre) / width of the
    anchored coordinate: where the redshift is given, that is a number of order one, so the
    same network serves redshifts known to 0.1% and not at all.
    """

    def __init__(self, features: int, dimension: int, spec: config.Estimator, anchored: int | None):
        super().__init__()
        self.shape = FlowShape(dimension, spec.layers, spec.bins)
        self.dimension, self.anchored = dimension, anchored
        self.network = nn.Sequential(
            nn.Linear(features, spec.width),
            *(ResidualBlock(spec.width) for _ in range(spec.blocks)),
            nn.LayerNorm(spec.width),
            nn.SiLU(),
            nn.Linear(spec.width, self.shape.size),
        )
        # Start from the prior: a flow close to the identity whatever the observation.
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=1e-3)
        nn.init.zeros_(last.bias)

    def log_prob(
        self, y: torch.Tensor, features: torch.Tensor, anchor: torch.Tensor
    ) -> torch.Tensor:
        """Return the log density in the latent space.

        Parameters
        ----------
        y
            Latent coordinates, [n, d] or [n, draws, d].
        features
            [n, features].
        anchor
            Centre and width of the anchored coordinate, [n, 2]; (0, 1) without redshift.

        Returns
        -------
        Tensor
            [n] or [n, draws].
        """
        many = y.dim() == 3
        transform = self.shape.transform(self.network(features), draws=many)
        centre, width = (anchor[:, None] if many else anchor).unbind(-1)
        y = self._anchor(y, centre, width)
        base, ladj = transform.call_and_ladj(y)
        log_prob = ladj - 0.5 * (base.square() + _LOG_TWO_PI).sum(-1)
        return log_prob if self.anchored is None else log_prob - width.log()

    def sample(
        self, base: torch.Tensor, features: torch.Tensor, anchor: torch.Tensor
    ) -> torch.Tensor:
        """Turn standard-normal draws [n, draws, d] into latent draws [n, draws, d]."""
        transform = self.shape.transform(self.network(features), draws=True)
        y = transform.inv(base)
        if self.anchored is None:
            return y
        centre, width = anchor[:, None].unbind(-1)
        column = y[..., self.anchored] * width + centre
        return _replace(y, self.anchored, column)

    def _anchor(self, y: torch.Tensor, centre: torch.Tensor, width: torch.Tensor) -> torch.Tensor:
        if self.anchored is None:
            return y
        column = (y[..., self.anchored] - centre) / width
        return _replace(y, self.anchored, column)


def _replace(y: torch.Tensor, index: int, column: torch.Tensor) -> torch.Tensor:
    """Return y with one coordinate replaced, leaving y itself to autograd."""
    return torch.cat([y[..., :index], column[..., None], y[..., index + 1 :]], dim=-1)
