"""Families of star-formation histories, as the run file names them."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sedum.config.section import Section

__all__ = ["HISTORIES", "AnySFH"]


class SingleSFH(Section):
    """A history that is not a sum of others."""

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        raise NotImplementedError

    def vectors(self) -> dict[str, list[str]]:
        """Return the parameters that one entry stands for, by the entry."""
        return {}


class ConstantSFH(SingleSFH):
    """A constant rate since ``age``, which may have ended."""

    kind: Literal["constant"] = "constant"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["age", "quiet_fraction"]


class BurstSFH(SingleSFH):
    """All stars at one age, within a narrow range of it."""

    kind: Literal["burst"] = "burst"
    width: float = Field(default=0.1, ge=0.02, le=1.0, description="dex in age, from edge to edge")

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["age"]


class ExponentialSFH(SingleSFH):
    """A rate proportional to exp(-t / tau) since ``age``."""

    kind: Literal["exponential"] = "exponential"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["age", "log_tau"]


class DelayedTauSFH(SingleSFH):
    """A rate proportional to t exp(-t / tau) since ``age``."""

    kind: Literal["delayed_tau"] = "delayed_tau"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["age", "log_tau"]


class LogNormalSFH(SingleSFH):
    """A rate log-normal in time since the Big Bang (Gladders et al. 2013)."""

    kind: Literal["log_normal"] = "log_normal"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["t_peak", "fwhm"]


class DoublePowerLawSFH(SingleSFH):
    """A rate 1 / ((t / turn)^alpha + (t / turn)^-beta) in time since the Big Bang."""

    kind: Literal["double_power_law"] = "double_power_law"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["alpha", "beta", "t_turn"]


class DenseBasisSFH(SingleSFH):
    """Mass-assembly quantiles and a present star-formation rate (Iyer et al. 2019)."""

    kind: Literal["dense_basis"] = "dense_basis"
    quantiles: int = Field(default=3, ge=1, le=50)

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["log_ssfr", "quantiles"]

    def vectors(self) -> dict[str, list[str]]:
        """Return the names of the times, early to late, as ``t25``."""
        count = self.quantiles + 1
        return {"quantiles": [f"t{round(100 * i / count)}" for i in range(1, count)]}


class BinnedSFH(SingleSFH):
    """A rate constant in bins of lookback time.

    The bins are those of Leja et al. (2019): up to 30 and 100 Myr, the last 15% of the age of
    the Universe, and equal steps in log time between; or ``edges``.
    """

    bins: int = Field(default=7, ge=4, le=60)
    edges: list[float] | None = Field(
        default=None, description="Myr, from 0; the age of the Universe is added as the last"
    )

    @field_validator("edges")
    @classmethod
    def _increasing(cls, value: list[float] | None) -> list[float] | None:
        if value is not None:
            if len(value) < 2 or value[0] != 0:
                raise ValueError("start at 0 and give at least one edge more")
            if any(b <= a for a, b in pairwise(value)):
                raise ValueError("edges must increase")
        return value

    @property
    def count(self) -> int:
        """The number of bins."""
        return self.bins if self.edges is None else len(self.edges)


class ContinuitySFH(BinnedSFH):
    """Log ratios of the rates in adjacent bins (Leja et al. 2019)."""

    kind: Literal["continuity"] = "continuity"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["log_sfr_ratios"]

    def vectors(self) -> dict[str, list[str]]:
        """Return the names of the ratios, young to old."""
        return {"log_sfr_ratios": [f"log_sfr_ratio_{i}" for i in range(1, self.count)]}


class DirichletBinsSFH(BinnedSFH):
    """Shares of the summed rates of bins, from a Dirichlet distribution (Leja et al. 2017)."""

    kind: Literal["dirichlet_bins"] = "dirichlet_bins"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["shares"]

    def vectors(self) -> dict[str, list[str]]:
        """Return the names of the running sums of the shares, young to old."""
        return {"shares": [f"share_{i}" for i in range(1, self.count)]}


class FlexibleContinuitySFH(SingleSFH):
    """Bins of equal mass whose edges move, between two of fixed width (Leja et al. 2019)."""

    kind: Literal["continuity_flex"] = "continuity_flex"
    flexible: int = Field(default=5, ge=2, le=60, description="bins of equal mass")
    young: float = Field(default=30.0, gt=0, le=150, description="Myr in the youngest bin")
    old: float = Field(
        default=0.15, gt=0, lt=0.5, description="share of the age of the Universe in the oldest"
    )

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        return ["log_sfr_ratio_young", "log_sfr_ratio_old", "log_sfr_ratios"]

    def vectors(self) -> dict[str, list[str]]:
        """Return the names of the ratios, young to old."""
        return {"log_sfr_ratios": [f"log_sfr_ratio_{i}" for i in range(1, self.flexible)]}


Single = Annotated[
    ConstantSFH
    | BurstSFH
    | ExponentialSFH
    | DelayedTauSFH
    | LogNormalSFH
    | DoublePowerLawSFH
    | DenseBasisSFH
    | ContinuitySFH
    | FlexibleContinuitySFH
    | DirichletBinsSFH,
    Field(discriminator="kind"),
]


class SumSFH(Section):
    """A history with others added to it, such as a burst.

    The parameters of the first component keep their names. Those of the others get their kind
    as a prefix (``burst_age``), numbered where it repeats (``burst2_age``), and each has a
    ``fraction``: its share of the mass formed by itself and the components before it.
    """

    kind: Literal["sum"] = "sum"
    components: list[Single] = Field(min_length=2, max_length=6)

    def prefixes(self) -> list[str]:
        """Return what stands before the parameters' names of each component."""
        found: list[str] = [""]
        kinds: list[str] = []
        for component in self.components[1:]:
            kinds.append(component.kind)
            repeat = kinds.count(component.kind)
            found.append(f"{component.kind}{repeat if repeat > 1 else ''}_")
        return found

    def parameters(self) -> list[str]:
        """Return the names of the prior entries it needs."""
        names: list[str] = []
        for prefix, component in zip(self.prefixes(), self.components, strict=True):
            names += [f"{prefix}fraction"] if prefix else []
            names += [prefix + name for name in component.parameters()]
        return names

    def vectors(self) -> dict[str, list[str]]:
        """Return the parameters that one entry stands for, by the entry."""
        return {
            prefix + entry: [prefix + name for name in names]
            for prefix, component in zip(self.prefixes(), self.components, strict=True)
            for entry, names in component.vectors().items()
        }


AnySFH = Annotated[
    ConstantSFH
    | BurstSFH
    | ExponentialSFH
    | DelayedTauSFH
    | LogNormalSFH
    | DoublePowerLawSFH
    | DenseBasisSFH
    | ContinuitySFH
    | FlexibleContinuitySFH
    | DirichletBinsSFH
    | SumSFH,
    Field(discriminator="kind"),
]

HISTORIES = (
    DenseBasisSFH,
    DelayedTauSFH,
    ExponentialSFH,
    ConstantSFH,
    BurstSFH,
    LogNormalSFH,
    DoublePowerLawSFH,
    ContinuitySFH,
    FlexibleContinuitySFH,
    DirichletBinsSFH,
    SumSFH,
)
