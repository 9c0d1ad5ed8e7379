"""The interface of a star-formation history."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch

__all__ = ["History", "Parameters", "mean_age"]

Parameters = Mapping[str, torch.Tensor]


class History(ABC):
    """A family of star-formation histories: the fraction of the mass formed since a lookback time.

    Examples
    --------
    >>> from sedum.config import ConstantSFH
    >>> from sedum.galaxies.histories.families import make_history
    >>> p = {"age": torch.tensor([1.0]), "quiet_fraction": torch.tensor([0.0])}
    >>> universe_age = torch.tensor([13e9])
    >>> make_history(ConstantSFH()).formed_since(torch.tensor([0.0, 5e8, 2e9]), p, universe_age)
    tensor([[0.0000, 0.5000, 1.0000]])
    """

    @abstractmethod
    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since lookback times, [n, k].

        Parameters
        ----------
        lookback
            Lookback times in yr, [k] or [n, k].
        p
            Parameters of n galaxies by name, each [n].
        universe_age
            Age of the Universe in yr, [n].
        """

    def mean_age(self, p: Parameters, universe_age: torch.Tensor) -> torch.Tensor:
        """Return the mean age by mass formed in yr, [n]; in closed form if the family has one."""
        return mean_age(lambda times: self.formed_since(times, p, universe_age), universe_age)


def mean_age(
    formed_since: Callable[[torch.Tensor], torch.Tensor], universe_age: torch.Tensor
) -> torch.Tensor:
    """Return the mean age by mass formed in yr, [n]: the integral of 1 - G over lookback time.

    Parameters
    ----------
    formed_since
        Function G that returns the fraction of the mass formed since lookback times [n, k].
    universe_age
        Age of the Universe in yr, [n].

    Examples
    --------
    >>> universe_age = torch.tensor([10e9], dtype=torch.float64)
    >>> age = mean_age(lambda lookback: lookback / universe_age, universe_age)
    >>> round(age.item() / 1e9, 2)
    5.0
    """
    # Points are denser towards the present, where bursts make G steep.
    s = torch.linspace(0, 1, 257, dtype=torch.float64, device=universe_age.device)
    lookback = s**3 * universe_age[:, None]
    return torch.trapezoid(1 - formed_since(lookback), lookback, dim=1)
