"""What the run file says of bands, library, training and output."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sedum.config.section import Section

__all__ = [
    "Band",
    "CurveBand",
    "EazyBand",
    "FeatureSettings",
    "LibrarySettings",
    "OutputSettings",
    "PzSettings",
    "TrainingSettings",
    "TypicalitySettings",
    "VerifySettings",
]
#: Derived quantities that every catalogue has unless others are asked for.
DEFAULT_DERIVED = (
    "log_mass_surviving",
    "log_sfr_10",
    "log_sfr_100",
    "mass_weighted_age",
    "uv_slope",
)


class EazyBand(Section):
    """A curve of an EAZY ``FILTER.RES`` file, counted from 1."""

    name: str
    eazy: int = Field(gt=0)
    file: Path


class CurveBand(Section):
    """A two-column file: wavelength in Angstrom and photon transmission."""

    name: str
    curve: Path


Band = str | EazyBand | CurveBand


class LibrarySettings(Section):
    """How many galaxies to simulate, and in what portions."""

    size: int = Field(default=200_000, gt=0)
    chunk: int = Field(default=10_000, gt=0)
    seed: int = Field(default=1, ge=0)


class TrainingSettings(Section):
    """Optimisation."""

    steps: int = Field(default=20_000, gt=0)
    batch: int = Field(default=512, gt=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    optimiser: Literal["muon", "adam"] = Field(
        default="muon", description="muon: orthogonal steps for the matrices of hidden layers"
    )
    hidden_rate: float = Field(
        default=3.0, gt=0, description="of muon: factor on the learning rate of those matrices"
    )
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the steps")
    averaging: float = Field(default=0.999, ge=0, lt=1, description="decay of averaged weights")
    clip: float = Field(default=5.0, gt=0, description="largest norm of the gradient")
    held_out: float = Field(default=0.05, gt=0, lt=1, description="share of the galaxies")
    patience: int = Field(default=20, gt=0, description="rounds without improvement")
    round: int = Field(default=500, gt=0, description="steps between validations")
    precision: Literal["fast", "full"] = Field(
        default="fast", description="fast: factors of matrix products in 16 bits, in training only"
    )
    seed: int = Field(default=1, ge=0)
    device: str = "auto"

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", value):
            raise ValueError(f"found {value!r}; allowed: auto, cpu, cuda, cuda:0 and so on, mps")
        return value


class FeatureSettings(Section):
    """What the estimator sees beside fluxes, errors and presence."""

    colours: bool = Field(
        default=True, description="the shape of the spectrum: about its mean, and differences"
    )


class VerifySettings(Section):
    """Checking each posterior against the exact likelihood."""

    rounds: int = Field(default=1, ge=0, description="of refinement, where weights are poor")
    nested: bool = Field(default=False, description="nested sampling where that fails too: slow")


#: Mock galaxies that a level needs: so many over it.
_NEEDED = 10


class TypicalitySettings(Section):
    """Telling galaxies that the simulations could have made from those that they could not."""

    level: float = Field(
        default=1e-3, gt=0, lt=0.5, description="false-alarm rate of in_distribution"
    )
    galaxies: int = Field(default=10_000, ge=100, description="mock galaxies to compare with")

    @model_validator(mode="after")
    def _enough(self) -> TypicalitySettings:
        needed = round(_NEEDED / self.level)
        if self.galaxies < needed:
            raise ValueError(
                f"galaxies: a level of {self.level:g} needs at least {needed}, found "
                f"{self.galaxies}"
            )
        return self


#: Percentiles that every catalogue has: the median and the central 68%.
ALWAYS = (16.0, 50.0, 84.0)
#: More percentiles than that are what quantiles are for.
_MOST_PERCENTILES = 25


class PzSettings(Section):
    """The grid of redshifts at which p(z) is given."""

    low: float | None = Field(default=None, ge=0, description="the prior's least redshift if null")
    high: float | None = Field(
        default=None, gt=0, description="the prior's greatest redshift if null"
    )
    points: int = Field(default=300, ge=10, le=10_000)

    @model_validator(mode="after")
    def _ordered(self) -> PzSettings:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low: {self.low:g} is not below high: {self.high:g}")
        return self


class OutputSettings(Section):
    """What to write of each posterior."""

    draws: int = Field(default=1000, gt=1)
    derived_draws: int = Field(default=200, gt=1)
    percentiles: list[float] = Field(
        default_factory=lambda: list(ALWAYS), description="16, 50 and 84, and any others"
    )
    point_estimates: bool = Field(
        default=True, description="means, standard deviations and the peak of p(z)"
    )
    save_draws: bool = Field(default=False, description="draws of the parameters, as lists")
    quantiles: int | None = Field(
        default=None, ge=5, le=1001, description="so many quantiles of each posterior, as lists"
    )
    pz: PzSettings | None = Field(default=None, description="p(z) on a grid, as lists")
    verify: VerifySettings | None = Field(default=None, description="by importance weights")
    typicality: TypicalitySettings | None = Field(
        default=None, description="p-value of each galaxy among simulated ones; with verify, always"
    )
    derived: list[str] = Field(
        default_factory=lambda: list(DEFAULT_DERIVED), description="derived quantities"
    )
    seed: int = Field(default=1, ge=0)

    @field_validator("percentiles")
    @classmethod
    def _percentiles(cls, values: list[float]) -> list[float]:
        for value in values:
            if not 0 < value < 100:
                raise ValueError(f"found {value:g}; percentiles lie between 0 and 100")
            if round(value, 3) != value:
                raise ValueError(f"found {value!r}; three decimals at most, for names of columns")
        if sorted(set(values)) != values:
            raise ValueError("must increase")
        absent = [f"{value:g}" for value in ALWAYS if value not in values]
        if absent:
            raise ValueError(f"16, 50 and 84 must be among them; {', '.join(absent)} missing")
        if len(values) > _MOST_PERCENTILES:
            raise ValueError(
                f"at most {_MOST_PERCENTILES}, found {len(values)}; output.quantiles stores a "
                "posterior as a list"
            )
        return values
