"""Star-formation histories that are constant in bins of lookback time (Leja et al. 2017, 2019)."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch

from sedum import config
from sedum.galaxies.histories.history import History, Parameters
from sedum.galaxies.histories.monotone_splines import piecewise_linear, piecewise_linear_mean

__all__ = ["BinnedHistory", "FlexibleBins", "bin_edges"]


def bin_edges(
    spec: config.ContinuitySFH | config.DirichletBinsSFH, universe_age: torch.Tensor
) -> torch.Tensor:
    """Return the edges of the bins in yr, from young to old, [n, bins + 1].

    Edges beyond the age of the Universe are moved to it; bins between such edges have no width and
    form no stars.

    Parameters
    ----------
    spec
        The bins.
    universe_age
        Age of the Universe in yr, [n].

    Examples
    --------
    >>> spec = config.ContinuitySFH(edges=[0, 30, 100])
    >>> bin_edges(spec, torch.tensor([13e9])).log10()
    tensor([[  -inf,  7.4771,  8.0000, 10.1139]])
    """
    if spec.edges is not None:
        fixed = torch.tensor(spec.edges, dtype=universe_age.dtype, device=universe_age.device) * 1e6
        inner = torch.minimum(fixed.expand(len(universe_age), -1), universe_age[:, None])
        return torch.cat([inner, universe_age[:, None]], dim=1)
    # Leja et al. (2019): 0, 30 and 100 Myr, equal steps in log time to 85% of the Universe's age.
    recent = torch.tensor([0.0, 3e7], dtype=universe_age.dtype, device=universe_age.device)
    steps = torch.linspace(
        0, 1, spec.bins - 2, dtype=universe_age.dtype, device=universe_age.device
    )
    last = torch.log(0.85 * universe_age)[:, None]
    first = torch.minimum(torch.full_like(last, math.log(1e8)), last - 0.1)
    middle = torch.exp(first + (last - first) * steps)
    recent = torch.minimum(recent.expand(len(universe_age), -1), 0.5 * middle[:, :1])
    return torch.cat([recent, middle, universe_age[:, None]], dim=1)


class _ConstantInBins(History):
    """Rates that are constant between edges: G is linear between them."""

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        return piecewise_linear(lookback, *self._knots(p, universe_age))

    def mean_age(self, p: Parameters, universe_age: torch.Tensor) -> torch.Tensor:
        """Return the mean age by mass formed in yr, [n]."""
        edges, formed = self._knots(p, universe_age)
        return universe_age * (1 - piecewise_linear_mean(edges, formed))

    @abstractmethod
    def _knots(
        self, p: Parameters, universe_age: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the edges of the bins in yr and G at these edges, each [n, bins + 1]."""


class BinnedHistory(_ConstantInBins):
    """Constant rates in fixed bins (Leja et al. 2017, 2019).

    Parameters
    ----------
    spec
        The bins.
    ratios
        Names of the parameters log10(rate of a bin / rate of the next older one), young to old.
    fractions
        Alternatively, names of the running sums of the fractions of the star-formation rate in the
        bins, young to old.

    Examples
    --------
    >>> spec = config.DirichletBinsSFH(edges=[0, 100, 1000])
    >>> history = BinnedHistory(spec, fractions=spec.vectors()["sfr_fractions"])
    >>> history.fractions
    ['sfr_fraction_1', 'sfr_fraction_2']
    """

    def __init__(
        self,
        spec: config.ContinuitySFH | config.DirichletBinsSFH,
        ratios: list[str] | None = None,
        fractions: list[str] | None = None,
    ):
        self.spec, self.ratios, self.fractions = spec, ratios, fractions

    def _knots(
        self, p: Parameters, universe_age: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return edges of the bins and G at them, each [n, bins + 1]."""
        edges = bin_edges(self.spec, universe_age)
        mass = self._rates(p) * (edges[:, 1:] - edges[:, :-1])
        formed = torch.cat([0 * mass[:, :1], mass.cumsum(1)], dim=1)
        return edges, formed / formed[:, -1:]

    def _rates(self, p: Parameters) -> torch.Tensor:
        """Return the rates of the bins in arbitrary units, [n, bins]."""
        if self.ratios is not None:
            ratios = torch.stack([p[name] for name in self.ratios], dim=1)
            logs = torch.cat([0 * ratios[:, :1], -ratios.cumsum(1)], dim=1)
            # Relative to the maximum, so that no power overflows.
            return 10 ** (logs - logs.max(1, keepdim=True).values)
        sums = torch.stack([p[name] for name in self.fractions or []], dim=1)
        edge = torch.ones_like(sums[:, :1])
        return torch.cat([sums, edge], dim=1) - torch.cat([0 * edge, sums], dim=1)


class FlexibleBins(_ConstantInBins):
    """Bins of equal mass between a youngest and an oldest bin (Leja et al. 2019, sec. 4.4).

    The ratio of the rates of adjacent flexible bins is the inverse ratio of their widths.

    Parameters
    ----------
    spec
        The bins.

    Examples
    --------
    >>> FlexibleBins(config.FlexibleContinuitySFH(flexible=3)).ratios
    ['log_sfr_ratio_1', 'log_sfr_ratio_2']
    """

    def __init__(self, spec: config.FlexibleContinuitySFH):
        self.spec = spec
        self.ratios = spec.vectors()["log_sfr_ratios"]

    def _knots(
        self, p: Parameters, universe_age: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return edges of the bins and G at them, each [n, bins + 1]."""
        young = torch.minimum(0 * universe_age + self.spec.young * 1e6, 0.3 * universe_age)[:, None]
        old = (self.spec.old * universe_age)[:, None]
        ratios = torch.stack([p[name] for name in self.ratios], dim=1)
        logs = torch.cat([0 * ratios[:, :1], ratios.cumsum(1)], dim=1)
        widths = 10 ** (logs - logs.max(1, keepdim=True).values)
        widths = widths / widths.sum(1, keepdim=True) * (universe_age[:, None] - young - old)
        # Masses in units of the mass of a flexible bin.
        first = 10 ** p["log_sfr_ratio_young"][:, None] * young / widths[:, :1]
        last = 10 ** p["log_sfr_ratio_old"][:, None] * old / widths[:, -1:]
        mass = torch.cat([first, torch.ones_like(widths), last], dim=1)
        edges = torch.cat([0 * young, young, widths, old], dim=1).cumsum(1)
        formed = torch.cat([0 * first, mass.cumsum(1)], dim=1)
        return edges, formed / formed[:, -1:]
