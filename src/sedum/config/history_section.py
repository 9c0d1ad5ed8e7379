"""Families of star-formation histories in the run file."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sedum.config.section import Section

__all__ = ["HISTORIES", "AnySFH"]


class SingleSFH(Section):
    """A history that is not a sum of others."""

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        raise NotImplementedError

    def vectors(self) -> dict[str, list[str]]:
        """Return the parameters that each vector entry of the priors stands for."""
        return {}


class ConstantSFH(SingleSFH):
    """A constant rate since ``age``, zero in the last ``quiet_fraction`` of it."""

    kind: Literal["constant"] = "constant"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["age", "quiet_fraction"]


class BurstSFH(SingleSFH):
    """Constant star formation in a narrow range about ``age``."""

    kind: Literal["burst"] = "burst"
    width: float = Field(
        default=0.1, ge=0.02, le=1.0, description="Full width of the burst in dex of age"
    )

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["age"]


class ExponentialSFH(SingleSFH):
    """A rate proportional to exp(-t / tau), where t is the time since ``age``."""

    kind: Literal["exponential"] = "exponential"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["age", "log_tau"]


class DelayedTauSFH(SingleSFH):
    """A rate proportional to t exp(-t / tau), where t is the time since ``age``."""

    kind: Literal["delayed_tau"] = "delayed_tau"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["age", "log_tau"]


class LogNormalSFH(SingleSFH):
    """A rate log-normal in the time since the Big Bang (Gladders et al. 2013)."""

    kind: Literal["log_normal"] = "log_normal"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["t_peak", "fwhm"]


class DoublePowerLawSFH(SingleSFH):
    """A rate 1 / ((t / t_turn)^alpha + (t / t_turn)^-beta), with t the time since the Big Bang."""

    kind: Literal["double_power_law"] = "double_power_law"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["alpha", "beta", "t_turn"]


class DenseBasisSFH(SingleSFH):
    """Times at which fractions of the mass had formed, and the present rate (Iyer et al. 2019)."""

    kind: Literal["dense_basis"] = "dense_basis"
    quantiles: int = Field(
        default=3, ge=1, le=50, description="Number of times; 3 gives t25, t50 and t75"
    )

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["log_ssfr", "quantiles"]

    def vectors(self) -> dict[str, list[str]]:
        """Return the names of the times, such as ``t25``, from early to late."""
        count = self.quantiles + 1
        return {"quantiles": [f"t{round(100 * i / count)}" for i in range(1, count)]}


class BinnedSFH(SingleSFH):
    """A rate that is constant in bins of lookback time.

    The bins are those of Leja et al. (2019): edges at 30 and 100 Myr, a last bin of 15% of the age
    of the Universe, and equal steps in log time between. ``edges`` replaces them.
    """

    bins: int = Field(default=7, ge=4, le=60, description="Number of bins")
    edges: list[float] | None = Field(
        default=None,
        description="Edges of the bins in Myr, increasing from 0; the age of the Universe is "
        "added as the last one",
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
    """Binned rates by the log ratios of adjacent bins (Leja et al. 2019)."""

    kind: Literal["continuity"] = "continuity"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["log_sfr_ratios"]

    def vectors(self) -> dict[str, list[str]]:
        """Return the names of the ratios, young to old."""
        return {"log_sfr_ratios": [f"log_sfr_ratio_{i}" for i in range(1, self.count)]}


class DirichletBinsSFH(BinnedSFH):
    """Binned rates by fractions with a Dirichlet prior (Leja et al. 2017)."""

    kind: Literal["dirichlet_bins"] = "dirichlet_bins"

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        return ["sfr_fractions"]

    def vectors(self) -> dict[str, list[str]]:
        """Return the names of the running sums of the fractions, young to old."""
        return {"sfr_fractions": [f"sfr_fraction_{i}" for i in range(1, self.count)]}


class FlexibleContinuitySFH(SingleSFH):
    """Bins of equal mass with free edges, between two bins of fixed width (Leja et al. 2019)."""

    kind: Literal["continuity_flex"] = "continuity_flex"
    flexible: int = Field(default=5, ge=2, le=60, description="Number of bins of equal mass")
    young: float = Field(default=30.0, gt=0, le=150, description="Width of the youngest bin in Myr")
    old: float = Field(
        default=0.15,
        gt=0,
        lt=0.5,
        description="Width of the oldest bin as a fraction of the age of the Universe",
    )

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
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
    """A history to which others are added, such as a burst.

    The parameters of the first component keep their names. Those of each further component get its
    kind as a prefix (``burst_age``), numbered if the kind repeats (``burst2_age``). Its
    ``fraction`` is the mass that it forms divided by the mass that it and all components before it
    form.
    """

    kind: Literal["sum"] = "sum"
    components: list[Single] = Field(min_length=2, max_length=6, description="The histories to add")

    def prefixes(self) -> list[str]:
        """Return the prefix of the parameter names of each component."""
        prefixes: list[str] = [""]
        kinds: list[str] = []
        for component in self.components[1:]:
            kinds.append(component.kind)
            repeat = kinds.count(component.kind)
            prefixes.append(f"{component.kind}{repeat if repeat > 1 else ''}_")
        return prefixes

    def parameters(self) -> list[str]:
        """Return the names of the prior entries that this history needs."""
        names: list[str] = []
        for prefix, component in zip(self.prefixes(), self.components, strict=True):
            names += [f"{prefix}fraction"] if prefix else []
            names += [prefix + name for name in component.parameters()]
        return names

    def vectors(self) -> dict[str, list[str]]:
        """Return the parameters that each vector entry of the priors stands for."""
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
