"""Priors of single parameters in the run file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sedum.config.section import Bounded, Section

__all__ = [
    "AnyPrior",
    "DirichletPrior",
    "FixedPrior",
    "LogUniformPrior",
    "MainSequencePrior",
    "MassMetallicityPrior",
    "NormalPrior",
    "StudentTPrior",
    "TabulatedPrior",
    "UniformPrior",
    "UniverseAgePrior",
]


class FixedPrior(Section):
    """A known parameter, which is not inferred.

    Examples
    --------
    >>> FixedPrior(kind="fixed", value=0.02).value
    0.02
    """

    kind: Literal["fixed"]
    value: float = Field(description="Value of the parameter")


class UniformPrior(Bounded):
    """A uniform distribution.

    Examples
    --------
    >>> UniformPrior(kind="uniform", low=0, high=6)
    UniformPrior(kind='uniform', low=0.0, high=6.0)
    """

    kind: Literal["uniform"]
    low: float = Field(description="Minimum")
    high: float = Field(description="Maximum")


class LogUniformPrior(Bounded):
    """A distribution uniform in the logarithm of the parameter.

    Examples
    --------
    >>> LogUniformPrior(kind="log_uniform", low=0.001, high=5).low
    0.001
    """

    kind: Literal["log_uniform"]
    low: float = Field(gt=0, description="Minimum")
    high: float = Field(gt=0, description="Maximum")


class NormalPrior(Bounded):
    """A normal distribution, truncated if limits are given.

    Examples
    --------
    >>> NormalPrior(kind="normal", mean=-2, sigma=0.5, low=-4).sigma
    0.5
    """

    kind: Literal["normal"]
    mean: float = Field(description="Mean before truncation")
    sigma: float = Field(gt=0, description="Standard deviation before truncation")
    low: float | None = Field(default=None, description="Minimum; unbounded if null")
    high: float | None = Field(default=None, description="Maximum; unbounded if null")


class StudentTPrior(Bounded):
    """Student's t distribution, truncated if limits are given.

    Examples
    --------
    >>> StudentTPrior(kind="student_t", sigma=0.3, dof=2).mean
    0.0
    """

    kind: Literal["student_t"]
    mean: float = Field(default=0.0, description="Centre of the distribution")
    sigma: float = Field(gt=0, description="Scale of the distribution")
    dof: float = Field(gt=0, description="Degrees of freedom")
    low: float | None = Field(default=None, description="Minimum; unbounded if null")
    high: float | None = Field(default=None, description="Maximum; unbounded if null")


class TabulatedPrior(Section):
    """A density given at points and linear between them; it need not be normalised.

    Examples
    --------
    >>> TabulatedPrior(kind="tabulated", x=[0, 1, 6], density=[0, 1, 0]).x
    [0.0, 1.0, 6.0]
    """

    kind: Literal["tabulated"]
    x: list[float] = Field(min_length=2, description="Values of the parameter, increasing")
    density: list[float] = Field(min_length=2, description="Density at these values")

    @model_validator(mode="after")
    def _density(self) -> TabulatedPrior:
        if len(self.x) != len(self.density):
            raise ValueError(f"x has {len(self.x)} values and density {len(self.density)}")
        if any(b <= a for a, b in zip(self.x, self.x[1:], strict=False)):
            raise ValueError("x must increase")
        if min(self.density) < 0 or max(self.density) <= 0:
            raise ValueError("density must not be negative, nor zero everywhere")
        return self


class DirichletPrior(Section):
    """A symmetric Dirichlet distribution of fractions that sum to one.

    For ``quantiles`` the fractions are the intervals between the times at which equal fractions of
    the mass had formed, in units of the age of the Universe: the prior of Dense Basis (Iyer et al.
    2019). For ``sfr_fractions`` they are the fractions of the star-formation rate in bins of
    lookback time (Leja et al. 2017).

    Examples
    --------
    >>> DirichletPrior(kind="dirichlet", concentration=0.7).concentration
    0.7
    """

    kind: Literal["dirichlet"]
    concentration: float = Field(
        default=1.0,
        gt=0,
        description="Concentration: 1 is uniform, larger values favour equal fractions",
    )


class MainSequencePrior(Bounded):
    """log10 specific star-formation rate, Student-t distributed about the star-forming sequence.

    The centre is ``at_1e10 + slope * (log_mass - 10) + evolution * log10(1 + z)``.

    Examples
    --------
    >>> MainSequencePrior(kind="main_sequence").at_1e10
    -10.0
    """

    kind: Literal["main_sequence"]
    at_1e10: float = Field(
        default=-10.0, description="log10 of the rate per yr at redshift 0 and 10^10 solar masses"
    )
    slope: float = Field(default=-0.1, description="Change per dex of stellar mass")
    evolution: float = Field(default=2.5, description="Exponent of 1 + z")
    sigma: float = Field(default=0.5, gt=0, description="Scale in dex")
    dof: float = Field(default=2.0, gt=0, description="Degrees of freedom")
    low: float = Field(default=-14.0, description="Minimum")
    high: float = Field(default=-7.0, description="Maximum")


class UniverseAgePrior(Bounded):
    """An age in Gyr, uniform from ``low`` to the minimum of ``high`` and the age of the Universe.

    Examples
    --------
    >>> UniverseAgePrior(kind="universe_age").low
    0.01
    """

    kind: Literal["universe_age"]
    low: float = Field(default=0.01, gt=0, description="Minimum in Gyr")
    high: float = Field(default=14.0, gt=0, description="Maximum in Gyr")


class MassMetallicityPrior(Bounded):
    """log10 metallicity, normal about a mass-metallicity relation and truncated to the grid.

    The centre is ``at_1e10 + slope * (log_mass - 10)``.

    Examples
    --------
    >>> MassMetallicityPrior(kind="mass_metallicity").slope
    0.4
    """

    kind: Literal["mass_metallicity"]
    at_1e10: float = Field(
        default=-2.0, description="log10 metallicity (mass fraction) at 10^10 solar masses"
    )
    slope: float = Field(default=0.4, description="Change per dex of stellar mass")
    sigma: float = Field(default=0.4, gt=0, description="Standard deviation in dex")
    low: float = Field(default=-4.0, description="Minimum")
    high: float = Field(default=-1.39, description="Maximum")


AnyPrior = Annotated[
    FixedPrior
    | UniformPrior
    | LogUniformPrior
    | NormalPrior
    | StudentTPrior
    | TabulatedPrior
    | DirichletPrior
    | MainSequencePrior
    | MassMetallicityPrior
    | UniverseAgePrior,
    Field(discriminator="kind"),
]
