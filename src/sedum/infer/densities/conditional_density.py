"""What a conditional density estimator can do, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.recalibration import BaseTransform

__all__ = ["Density", "LogProb"]

#: Log densities of fixed points, as a function of the map of the base normals.
LogProb = Callable[[BaseTransform | None], torch.Tensor]


class Density(nn.Module):
    """p(y | context) in the latent space.

    Attributes
    ----------
    dimension
        The number of latent coordinates d.
    n_base
        How many random numbers a draw needs.
    """

    dimension: int
    n_base: int

    def at(self, y: torch.Tensor, context: torch.Tensor) -> LogProb:
        """Go to y once; return its log densities for any map of the base normals.

        Parameters
        ----------
        y
            [n, d] or [n, draws, d].
        context
            [n, c].

        Returns
        -------
        callable
            From a :class:`~sedum.infer.recalibration.BaseTransform`, or None, to [n] or [n, draws].
        """
        raise NotImplementedError

    def log_prob(
        self, y: torch.Tensor, context: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Return log densities, [n] or [n, draws], of y [n, d] or [n, draws, d]."""
        return self.at(y, context)(transform)

    def loss(self, y: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return what training makes small, [n], of y [n, d]."""
        return -self.log_prob(y, context)

    def prepare(self, context: torch.Tensor) -> torch.Tensor:
        """Return what draws need of a context and does not depend on them, [n, ...]."""
        return context

    def sample(
        self, samples: BaseSamples, prepared: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Return draws, float32, [n, draws, d], from what :meth:`prepare` returned."""
        raise NotImplementedError
