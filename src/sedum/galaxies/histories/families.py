"""Families of star-formation histories, as the fraction of the mass formed since a lookback time.

Every family is a function G(a): the mass formed within the last ``a`` years before the observation,
as a fraction of all mass formed. G(0) = 0 and G(age of the Universe) = 1 by construction.
Differences of G between the edges of age bins therefore conserve mass exactly, and no star is older
than the Universe.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from sedum import config
from sedum.galaxies.histories.binned import BinnedHistory, FlexibleBins
from sedum.galaxies.histories.history import History, Parameters
from sedum.galaxies.histories.monotone_splines import rational_quadratic, rational_quadratic_mean

__all__ = ["History", "make_history"]


class ConstantHistory(History):
    """A constant rate since ``age`` Gyr ago, zero in the last ``quiet_fraction`` of that time."""

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        age = (p["age"] * 1e9)[:, None]
        end = age * p["quiet_fraction"][:, None]
        return ((lookback - end) / (age - end)).clamp(0, 1)


class BurstHistory(History):
    """A constant rate in a narrow range about ``age`` Gyr ago, zero otherwise.

    The range has a full width of ``width`` dex and does not extend beyond the Big Bang. The width
    makes fluxes continuous in the age.
    """

    def __init__(self, width: float):
        self.width = width

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        age = p["age"] * 1e9
        old = torch.minimum(age * 10 ** (self.width / 2), universe_age)[:, None]
        young = (age * 10 ** (-self.width / 2))[:, None]
        return ((lookback - young) / (old - young)).clamp(0, 1)


class ExponentialHistory(History):
    """A rate proportional to exp(-t / tau), with t the time since ``age`` Gyr ago."""

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        age = (p["age"] * 1e9)[:, None]
        tau = 10 ** (p["log_tau"] + 9)[:, None]
        begun = torch.minimum(lookback.expand(len(age), -1), age)
        # (e^-(age - a)/τ - e^-age/τ) / (1 - e^-age/τ), written without cancellation.
        late = torch.exp(-(age - begun) / tau) * -torch.expm1(-begun / tau)
        return late / -torch.expm1(-age / tau)


class DelayedTauHistory(History):
    """A rate proportional to t exp(-t / tau), with t the time since ``age`` Gyr ago."""

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        age = torch.minimum(p["age"] * 1e9, universe_age)[:, None]
        tau = 10 ** (p["log_tau"] + 9)[:, None]
        x, end = (age - lookback).clamp(min=0) / tau, age / tau
        total = self._grown(end)
        # Long after the beginning both masses equal one up to rounding. The difference of what is
        # still to form keeps the precision of recent star formation.
        late = self._left(x) - self._left(end)
        return torch.where(x > 1, late, total - self._grown(x)) / total

    @staticmethod
    def _left(x: torch.Tensor) -> torch.Tensor:
        """Return (1 + x) exp(-x), the mass that forms after x = t / tau."""
        return (1 + x) * torch.exp(-x)

    @staticmethod
    def _grown(x: torch.Tensor) -> torch.Tensor:
        """Return 1 - (1 + x) exp(-x), the mass formed by x = t / tau, to full precision."""
        series = x**2 * (0.5 - x * (1 / 3 - x * (1 / 8 - x * (1 / 30 - x / 144))))
        return torch.where(x < 0.05, series, -torch.expm1(-x) - x * torch.exp(-x))


class LogNormalHistory(History):
    """A rate log-normal in the time since the Big Bang (Gladders et al. 2013).

    ``t_peak`` is the time of the maximum rate and ``fwhm`` the full width at half maximum, both in
    Gyr, as in Carnall et al. (2019). Half the maximum is reached at t_peak exp(±τ sqrt(2 ln 2)),
    which gives τ in closed form.
    """

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        width = torch.asinh(p["fwhm"] / (2 * p["t_peak"])) / 1.1774100225154747
        centre = torch.log(p["t_peak"] * 1e9) + width**2
        time = (universe_age[:, None] - lookback).clamp(min=1.0)
        now = torch.special.log_ndtr((torch.log(universe_age) - centre) / width)[:, None]
        then = torch.special.log_ndtr((torch.log(time) - centre[:, None]) / width[:, None])
        formed = -torch.expm1(then - now)
        return torch.where(lookback >= universe_age[:, None], torch.ones_like(formed), formed)


class DoublePowerLawHistory(History):
    """A rate 1 / ((t / t_turn)^alpha + (t / t_turn)^-beta), with t the time since the Big Bang.

    The integral has no elementary form. It is summed over intervals in which the rate is a power
    law. This is exact far from the turn; near it the intervals are narrow.
    """

    _REACH = 20.0
    _NODES = 161

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        alpha, beta = p["alpha"][:, None], p["beta"][:, None]
        core = 3 / (alpha + beta)
        s = torch.linspace(-1, 1, self._NODES, dtype=alpha.dtype, device=alpha.device)
        # Nodes in ln(t / turn), dense about the turn, whose width is 1 / (α + β).
        x = core * torch.sinh(s * torch.asinh(self._REACH / core))
        turn = (p["t_turn"] * 1e9)[:, None]
        # Rates relative to the maximum before the present: steep ones would underflow.
        last = torch.log(universe_age[:, None] / turn).clamp(-self._REACH, self._REACH)
        log_rate = _log_rate(x, alpha, beta) - _log_rate(last.clamp(max=0), alpha, beta)
        log_rate = log_rate.clamp(-600, 60)
        mass = _power_law_mass(x[:, :-1], x[:, 1:], log_rate[:, :-1], log_rate[:, 1:])
        cumulative = torch.cat([0 * x[:, :1], mass.cumsum(1)], dim=1)

        def formed_by(time: torch.Tensor) -> torch.Tensor:
            at = torch.log(time / turn).clamp(-self._REACH, self._REACH)
            i = (torch.searchsorted(x.detach().contiguous(), at.detach().contiguous()) - 1).clamp(
                0, self._NODES - 2
            )
            x0, y0, before = (torch.gather(v, 1, i) for v in (x, log_rate, cumulative))
            x1, y1 = (torch.gather(v, 1, i + 1) for v in (x, log_rate))
            y = y0 + (y1 - y0) * (at - x0) / (x1 - x0)
            return before + _power_law_mass(x0, at, y0, y)

        time = (universe_age[:, None] - lookback).clamp(min=1.0)
        total = formed_by(universe_age[:, None])
        formed = 1 - formed_by(time) / total
        return torch.where(lookback >= universe_age[:, None], torch.ones_like(formed), formed)


def _log_rate(x: torch.Tensor, alpha: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """Return ln(rate · t) of the double power law at x = ln(t / turn), where dt = t dx."""
    return x - torch.logaddexp(alpha * x, -beta * x)


def _power_law_mass(
    x0: torch.Tensor, x1: torch.Tensor, y0: torch.Tensor, y1: torch.Tensor
) -> torch.Tensor:
    """Integrate exp(y) over x between two points, with y linear between them."""
    rise = y1 - y0
    small = rise.abs() < 1e-6
    safe = torch.where(small, torch.ones_like(rise), rise)
    factor = torch.where(small, 1 + rise / 2, torch.expm1(safe) / safe)
    return torch.exp(y0) * (x1 - x0) * factor


class DenseBasisHistory(History):
    """Mass assembly through given quantiles, with a given present star-formation rate.

    The parameters are those of Dense Basis (Iyer et al. 2019): the times, as fractions of the age
    of the Universe, at which equal fractions of the mass had formed, and the specific
    star-formation rate at the moment of observation. The cumulative history is the monotone
    rational quadratic spline of Gregory & Delbourgo (1982) through the quantiles. Unlike a cubic
    spline it stays monotone for any final slope, so every combination of quantiles and
    star-formation rate is a valid history and is reproduced exactly.
    """

    def __init__(self, names: list[str]):
        self.names = names

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        knots_x, knots_y, slopes = self._spline(p, universe_age)
        u = (lookback / universe_age[:, None]).clamp(max=1.0)
        return rational_quadratic(u, knots_x, knots_y, slopes)

    def mean_age(self, p: Parameters, universe_age: torch.Tensor) -> torch.Tensor:
        """Return the mean age by mass formed in yr, [n]: the integral of 1 - G in closed form."""
        return universe_age * (1 - rational_quadratic_mean(*self._spline(p, universe_age)))

    def _spline(
        self, p: Parameters, universe_age: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return knots and slopes of G against lookback / age of the Universe."""
        times = torch.stack([p[name] for name in self.names], dim=1)
        n, k = times.shape
        edge = times.new_ones(n, 1)
        x = torch.cat([0 * edge, 1 - times.flip(1), edge], dim=1)
        # Quantiles may coincide up to rounding; a minimum interval keeps the slopes finite.
        x = torch.cummax(x, dim=1).values
        h = (x[:, 1:] - x[:, :-1]).clamp(min=1e-9)
        y = torch.linspace(0, 1, k + 2, dtype=x.dtype, device=x.device).expand(n, k + 2)
        secant = (y[:, 1:] - y[:, :-1]) / h
        # The geometric mean of Gregory & Delbourgo: positive, and accurate to second order.
        weight = h[:, :-1] / (h[:, :-1] + h[:, 1:])
        inner = secant[:, :-1] ** (1 - weight) * secant[:, 1:] ** weight
        now = (10 ** p["log_ssfr"] * universe_age)[:, None]
        return x, y, torch.cat([now, inner, 0 * edge], dim=1)


class SumHistory(History):
    """Histories that are added one after the other, each a ``fraction`` of the sum so far."""

    def __init__(self, components: list[History], prefixes: list[str]):
        self.components, self.prefixes = components, prefixes

    def formed_since(
        self, lookback: torch.Tensor, p: Parameters, universe_age: torch.Tensor
    ) -> torch.Tensor:
        """Return the fraction of the mass formed since ``lookback``."""
        formed = self.components[0].formed_since(lookback, p, universe_age)
        for component, own in self._added(p):
            added = component.formed_since(lookback, own, universe_age)
            formed = torch.lerp(formed, added, own["fraction"][:, None])
        return formed

    def mean_age(self, p: Parameters, universe_age: torch.Tensor) -> torch.Tensor:
        """Return the mass-weighted mean of the components' mean ages in yr, [n]."""
        age = self.components[0].mean_age(p, universe_age)
        for component, own in self._added(p):
            age = torch.lerp(age, component.mean_age(own, universe_age), own["fraction"])
        return age

    def _added(self, p: Parameters) -> Iterator[tuple[History, Parameters]]:
        """Yield each further component with its own parameters."""
        for prefix, component in zip(self.prefixes[1:], self.components[1:], strict=True):
            own = {k.removeprefix(prefix): v for k, v in p.items() if k.startswith(prefix)}
            yield component, own


def make_history(spec: config.AnySFH) -> History:
    """Return the history that a run file describes.

    Parameters
    ----------
    spec
        The entry ``model.history`` of a run file.

    Examples
    --------
    >>> from sedum.config import BurstSFH
    >>> make_history(BurstSFH(width=0.2)).width
    0.2
    """
    match spec:
        case config.SumSFH():
            return SumHistory([make_history(c) for c in spec.components], spec.prefixes())
        case config.DenseBasisSFH():
            return DenseBasisHistory(spec.vectors()["quantiles"])
        case config.ContinuitySFH():
            return BinnedHistory(spec, ratios=spec.vectors()["log_sfr_ratios"])
        case config.DirichletBinsSFH():
            return BinnedHistory(spec, fractions=spec.vectors()["sfr_fractions"])
        case config.FlexibleContinuitySFH():
            return FlexibleBins(spec)
        case config.BurstSFH():
            return BurstHistory(spec.width)
        case config.ConstantSFH():
            return ConstantHistory()
        case config.ExponentialSFH():
            return ExponentialHistory()
        case config.LogNormalSFH():
            return LogNormalHistory()
        case config.DoublePowerLawSFH():
            return DoublePowerLawHistory()
    return DelayedTauHistory()
