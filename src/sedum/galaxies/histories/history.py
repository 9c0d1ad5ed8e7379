"""What every family of star-formation histories can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch

__all__ = ["History", "Parameters", "mean_age"]

Parameters = Mapping[str, torch.Tensor]


class History(ABC):
    """A family of star-formation histories: the share of the mass formed since a lookback time."""

    @abstractmethod
    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return G at lookback times [k] or [n, k] in yr, for n galaxies: [n, k]."""

    def mean_age(self, p: Parameters, universe_age: torch.Tensor) -> torch.Tensor:
        """Return the mean age of the mass formed in yr, [n]; exact where a family has a formula."""
        return mean_age(lambda times: self.formed_since(times, p, universe_age), universe_age)


def mean_age(
    formed_since: Callable[[torch.Tensor], torch.Tensor], universe_age: torch.Tensor
) -> torch.Tensor:
    """Integrate 1 - G over lookback time, from now to the Big Bang, in yr, [n]."""
    # Points crowd towards the present, where bursts make G steep.
    s = torch.linspace(0, 1, 257, dtype=torch.float64, device=universe_age.device)
    lookback = s**3 * universe_age[:, None]
    return torch.trapezoid(1 - formed_since(lookback), lookback, dim=1)
