"""What a conditional density estimator can do, whatever its kind."""

from __future__ import annotations

import torch
from torch import nn

from sedum.infer.numbers import Numbers

__all__ = ["Density"]


class Density(nn.Module):
    """p(y | context) in the latent space.

    Attributes
    ----------
    dimension
        The number of latent coordinates d.
    numbers
        How many random numbers a draw needs.
    """

    dimension: int
    numbers: int

    def log_prob(self, y: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return log densities, [n] or [n, draws], of y [n, d] or [n, draws, d].

        ``context`` is [n, c].
        """
        raise NotImplementedError

    def loss(self, y: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Return what training makes small, [n], of y [n, d]."""
        return -self.log_prob(y, context)

    def prepare(self, context: torch.Tensor) -> torch.Tensor:
        """Return what draws need of a context and does not depend on them, [n, ...]."""
        return context

    def sample(self, numbers: Numbers, prepared: torch.Tensor) -> torch.Tensor:
        """Return draws, float32, [n, draws, d], from what :meth:`prepare` returned."""
        raise NotImplementedError
