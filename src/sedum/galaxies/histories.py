"""Star-formation histories, as the share of the mass formed since a lookback time.

Every family is a function G(a): the mass formed within the last ``a`` years of the moment of
observation, as a fraction of all mass formed. G(0) = 0 and G(age of the Universe) = 1 by
construction, so differences of G between the edges of age bins conserve mass exactly and no
star can be older than the Universe.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

from sedum import config

__all__ = ["History", "make_history"]

Parameters = Mapping[str, torch.Tensor]


class History(Protocol):
    """A family of star-formation histories."""

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return G at lookback times [k] or [n, k] in yr, for n galaxies: [n, k]."""


class DenseBasisHistory:
    """Mass assembly through given quantiles, ending at a given star-formation rate.

    The parameters are those of Dense Basis (Iyer et al. 2019): the times, as fractions of the
    age of the Universe, by which equal shares of the mass had formed, and the specific
    star-formation rate at the moment of observation. The cumulative history is the monotone
    rational quadratic spline of Gregory & Delbourgo (1982) through the quantiles. Unlike a
    cubic, it stays monotone for any final slope, so that every combination of quantiles and
    star-formation rate is a valid history and both are met exactly.
    """

    def __init__(self, names: list[str]):
        self.names = names

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        knots_x, knots_y, slopes = self._spline(p, universe_age)
        u = (lookback / universe_age[:, None]).clamp(max=1.0)
        return rational_quadratic(u, knots_x, knots_y, slopes)

    def _spline(
        self, p: Parameters, universe_age: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return knots and slopes of G against lookback / age of the Universe."""
        times = torch.stack([p[name] for name in self.names], dim=1)
        n, k = times.shape
        edge = times.new_ones(n, 1)
        x = torch.cat([0 * edge, 1 - times.flip(1), edge], dim=1)
        # Quantiles may coincide to rounding; a floor keeps the secants finite.
        x = torch.cummax(x, dim=1).values
        h = (x[:, 1:] - x[:, :-1]).clamp(min=1e-9)
        y = torch.linspace(0, 1, k + 2, dtype=x.dtype, device=x.device).expand(n, k + 2)
        secant = (y[:, 1:] - y[:, :-1]) / h
        # Gregory & Delbourgo's geometric mean: positive, and accurate to second order.
        weight = h[:, :-1] / (h[:, :-1] + h[:, 1:])
        inner = secant[:, :-1] ** (1 - weight) * secant[:, 1:] ** weight
        now = (10 ** p["log_ssfr"] * universe_age)[:, None]
        return x, y, torch.cat([now, inner, 0 * edge], dim=1)


class DelayedTauHistory:
    """Star formation since ``age`` Gyr ago at a rate proportional to t exp(-t / tau)."""

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        age = torch.minimum(p["age"] * 1e9, universe_age)[:, None]
        tau = 10 ** (p["log_tau"] + 9)[:, None]
        x = (age - lookback).clamp(min=0) / tau
        total = self._grown(age / tau)
        return (total - self._grown(x)) / total

    @staticmethod
    def _grown(x: torch.Tensor) -> torch.Tensor:
        """Return 1 - (1 + x) exp(-x), the mass formed by x = t / tau, without cancellation."""
        series = x**2 * (0.5 - x * (1 / 3 - x * (1 / 8 - x * (1 / 30 - x / 144))))
        return torch.where(x < 0.05, series, -torch.expm1(-x) - x * torch.exp(-x))


def make_history(spec: config.DenseBasis | config.DelayedTau, names: list[str]) -> History:
    """Build the history that a run file names; ``names`` are those of the quantiles."""
    if isinstance(spec, config.DenseBasis):
        return DenseBasisHistory(names)
    return DelayedTauHistory()


def rational_quadratic(
    u: torch.Tensor, x: torch.Tensor, y: torch.Tensor, d: torch.Tensor
) -> torch.Tensor:
    """Evaluate monotone rational quadratic splines (Gregory & Delbourgo 1982).

    Parameters
    ----------
    u
        Where to evaluate, within the knots, [n, k] or [k].
    x, y
        Knots, increasing, [n, m].
    d
        Non-negative slopes at the knots, [n, m].

    Returns
    -------
    Tensor
        [n, k]
    """
    u = u.expand(len(x), -1).contiguous()
    i = (torch.searchsorted(x.contiguous(), u, right=True) - 1).clamp(0, x.shape[1] - 2)

    def pick(values: torch.Tensor) -> torch.Tensor:
        return torch.gather(values, 1, i)

    x0, y0, d0, d1 = pick(x), pick(y), pick(d), pick(d[:, 1:])
    h = (pick(x[:, 1:]) - x0).clamp(min=1e-9)
    rise = pick(y[:, 1:]) - y0
    s = rise / h
    t = ((u - x0) / h).clamp(0, 1)
    across = t * (1 - t)
    return y0 + rise * (s * t**2 + d0 * across) / (s + (d0 + d1 - 2 * s) * across)
