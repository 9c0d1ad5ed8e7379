"""The interface of conditional densities of all kinds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from sedum.infer.densities.base_samples import BaseSamples
from sedum.infer.recalibration import BaseTransform

__all__ = ["Density", "LogProb"]

#: Log densities of fixed points, as a function of the base transform.
LogProb = Callable[[BaseTransform | None], torch.Tensor]


class Density(nn.Module):
    """p(y | context) in the latent space.

    Attributes
    ----------
    dimension
        The number of latent coordinates d.
    n_base
        The number of base samples of one draw.
    random_loss
        Whether the training loss draws random numbers.
    """

    dimension: int
    n_base: int
    random_loss: bool = False

    def at(self, y: torch.Tensor, context: torch.Tensor) -> LogProb:
        """Return a function that gives log densities of y for any base transform.

        Parameters
        ----------
        y
            Latent coordinates, [n, d] or [n, draws, d].
        context
            Contexts, [n, c].

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
        """Return the training loss, [n], of y [n, d]."""
        return -self.log_prob(y, context)

    def prepare(self, context: torch.Tensor) -> torch.Tensor:
        """Return the part of the computation that all draws of a context need, [n, ...]."""
        return context

    def sample(
        self, samples: BaseSamples, prepared: torch.Tensor, transform: BaseTransform | None = None
    ) -> torch.Tensor:
        """Return draws, float32, [n, draws, d], from what :meth:`prepare` returned."""
        raise NotImplementedError
