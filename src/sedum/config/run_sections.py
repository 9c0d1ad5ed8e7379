"""Sections of the run file on bands, library, training and output."""

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
#: Derived quantities of a catalogue whose run file names none.
DEFAULT_DERIVED = (
    "log_mass_surviving",
    "log_sfr_10",
    "log_sfr_100",
    "mass_weighted_age",
    "uv_slope",
)


class EazyBand(Section):
    """A filter curve of an EAZY ``FILTER.RES`` file, by its number counted from 1.

    Examples
    --------
    >>> EazyBand(name="f814w", eazy=16, file="FILTER.RES").eazy
    16
    """

    name: str = Field(description="Name of the band in this run file and in the results")
    eazy: int = Field(gt=0, description="Number of the curve in the file, counted from 1")
    file: Path = Field(description="The EAZY filter file, relative to the run file")


class CurveBand(Section):
    """A filter curve in a two-column file: wavelength in Angstrom and photon transmission.

    Examples
    --------
    >>> CurveBand(name="mine", curve="mine.txt").name
    'mine'
    """

    name: str = Field(description="Name of the band in this run file and in the results")
    curve: Path = Field(description="The file of the curve, relative to the run file")


Band = str | EazyBand | CurveBand


class LibrarySettings(Section):
    """Number of galaxies to simulate for training, and how they are stored.

    Examples
    --------
    >>> LibrarySettings(size=1000).seed
    1
    """

    size: int = Field(default=200_000, gt=0, description="Number of galaxies")
    chunk: int = Field(
        default=10_000,
        gt=0,
        description="Number of galaxies that are simulated and stored together",
    )
    seed: int = Field(default=1, ge=0, description="Seed of the random numbers")


class TrainingSettings(Section):
    """How the estimator is trained.

    Examples
    --------
    >>> TrainingSettings(steps=4000, device="cpu").optimiser
    'muon'
    """

    steps: int = Field(default=20_000, gt=0, description="Maximum number of optimiser steps")
    batch: int = Field(default=512, gt=1, description="Number of galaxies in each step")
    learning_rate: float = Field(default=2e-3, gt=0, description="Maximum learning rate")
    weight_decay: float = Field(
        default=1e-3, ge=0, description="Weight decay, relative to the learning rate"
    )
    optimiser: Literal["muon", "adam"] = Field(
        default="muon",
        description="Optimiser. muon takes orthogonalised steps in the matrices of hidden layers "
        "and uses adam for all other weights",
    )
    hidden_rate: float = Field(
        default=3.0,
        gt=0,
        description="Learning rate of the matrices of hidden layers under muon, in units of "
        "learning_rate",
    )
    warmup: float = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="Fraction of the steps over which the learning rate rises from zero",
    )
    averaging: float = Field(
        default=0.999,
        ge=0,
        lt=1,
        description="Decay per step of the exponential moving average of the weights",
    )
    clip: float = Field(default=5.0, gt=0, description="Maximum norm of the gradient")
    held_out: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Fraction of the galaxies that are kept for validation and never trained on",
    )
    patience: int = Field(
        default=20, gt=0, description="Number of rounds without improvement that ends the training"
    )
    round: int = Field(default=500, gt=0, description="Number of steps between two validations")
    precision: Literal["fast", "full"] = Field(
        default="fast",
        description="Precision of matrix products in training. fast multiplies 16-bit numbers "
        "where the device supports it; full uses 32 bits",
    )
    seed: int = Field(default=1, ge=0, description="Seed of the random numbers")
    device: str = Field(
        default="auto",
        description="Where to train: cpu, cuda, cuda:0, mps, or auto for a GPU if there is one",
    )

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", value):
            raise ValueError(f"found {value!r}; allowed: auto, cpu, cuda, cuda:0 and so on, mps")
        return value


class FeatureSettings(Section):
    """Inputs of the estimator beside fluxes, errors and missing bands.

    Examples
    --------
    >>> FeatureSettings().colours
    True
    """

    colours: bool = Field(
        default=True,
        description="Whether to add colours: magnitudes relative to their mean, and first and "
        "second differences of neighbouring bands",
    )


class VerifySettings(Section):
    """How each posterior is verified against the exact likelihood.

    Examples
    --------
    >>> VerifySettings().nested
    False
    """

    rounds: int = Field(
        default=1, ge=0, description="Number of refinements where the importance weights are poor"
    )
    nested: bool = Field(
        default=False, description="Whether to run nested sampling where refinement fails; slow"
    )


#: A level needs at least this number, divided by the level, of mock galaxies.
_NEEDED = 10


class TypicalitySettings(Section):
    """How galaxies are recognised that the simulations could not have produced.

    Examples
    --------
    >>> TypicalitySettings(level=0.01).galaxies
    10000
    """

    level: float = Field(
        default=1e-3,
        gt=0,
        lt=0.5,
        description="p-value below which in_distribution is false: the fraction of simulated "
        "galaxies that fall below it by chance",
    )
    galaxies: int = Field(
        default=10_000, ge=100, description="Number of mock galaxies to compare with"
    )

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
#: Maximum number of percentiles; for more, output.quantiles stores lists.
_MAX_PERCENTILES = 25


class PzSettings(Section):
    """The redshift grid of p(z).

    Examples
    --------
    >>> PzSettings(low=0, high=6, points=601).points
    601
    """

    low: float | None = Field(
        default=None, ge=0, description="First redshift; the prior's minimum if null"
    )
    high: float | None = Field(
        default=None, gt=0, description="Last redshift; the prior's maximum if null"
    )
    points: int = Field(default=300, ge=10, le=10_000, description="Number of redshifts")

    @model_validator(mode="after")
    def _ordered(self) -> PzSettings:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low: {self.low:g} is not below high: {self.high:g}")
        return self


class OutputSettings(Section):
    """What is written of each posterior.

    Examples
    --------
    >>> OutputSettings(draws=500).percentiles
    [16.0, 50.0, 84.0]
    """

    draws: int = Field(default=1000, gt=1, description="Number of posterior draws of each galaxy")
    derived_draws: int = Field(
        default=200,
        gt=1,
        description="Number of those draws for which derived quantities are computed",
    )
    percentiles: list[float] = Field(
        default_factory=lambda: list(ALWAYS),
        description="Percentiles to write, increasing: 16, 50 and 84, and any others",
    )
    point_estimates: bool = Field(
        default=True,
        description="Whether to write means, standard deviations and the peak of p(z)",
    )
    save_draws: bool = Field(
        default=False, description="Whether to write the draws of the parameters, as lists"
    )
    quantiles: int | None = Field(
        default=None,
        ge=5,
        le=1001,
        description="Number of equally spaced quantiles of each posterior to write, as lists; "
        "none if null",
    )
    pz: PzSettings | None = Field(
        default=None,
        description="Redshift grid on which p(z) is written, as lists; no p(z) if null",
    )
    verify: VerifySettings | None = Field(
        default=None,
        description="Verification of each posterior by importance weights; none if null",
    )
    typicality: TypicalitySettings | None = Field(
        default=None,
        description="Comparison of each galaxy with simulated ones, as a p-value; always done "
        "with verify",
    )
    derived: list[str] = Field(
        default_factory=lambda: list(DEFAULT_DERIVED), description="Derived quantities to compute"
    )
    seed: int = Field(default=1, ge=0, description="Seed of the random numbers")

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
        if len(values) > _MAX_PERCENTILES:
            raise ValueError(
                f"at most {_MAX_PERCENTILES}, found {len(values)}; output.quantiles stores a "
                "posterior as a list"
            )
        return values
