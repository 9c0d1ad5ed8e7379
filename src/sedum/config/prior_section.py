"""Priors of single parameters, as the run file writes them."""

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
    """A parameter that is known: it takes no part in the inference."""

    kind: Literal["fixed"]
    value: float


class UniformPrior(Bounded):
    """Flat between two limits."""

    kind: Literal["uniform"]
    low: float
    high: float


class LogUniformPrior(Bounded):
    """Flat in the logarithm between two positive limits."""

    kind: Literal["log_uniform"]
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class NormalPrior(Bounded):
    """A normal distribution, truncated where limits are given."""

    kind: Literal["normal"]
    mean: float
    sigma: float = Field(gt=0)
    low: float | None = None
    high: float | None = None


class StudentTPrior(Bounded):
    """Student's t distribution, truncated where limits are given."""

    kind: Literal["student_t"]
    mean: float = 0.0
    sigma: float = Field(gt=0)
    dof: float = Field(gt=0)
    low: float | None = None
    high: float | None = None


class TabulatedPrior(Section):
    """A density given at points and linear between them; it need not be normalised."""

    kind: Literal["tabulated"]
    x: list[float] = Field(min_length=2)
    density: list[float] = Field(min_length=2)

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
    """Times by which equal fractions of the mass had formed, from a Dirichlet distribution.

    The intervals between the times, as fractions of the age of the Universe, are
    Dirichlet(``concentration``) distributed: the prior of Dense Basis (Iyer et al. 2019).
    """

    kind: Literal["dirichlet"]
    concentration: float = Field(default=1.0, gt=0)


class MainSequencePrior(Bounded):
    """log10 specific star-formation rate, Student-t about a star-forming sequence.

    The centre is ``at_1e10 + slope * (log_mass - 10) + evolution * log10(1 + z)``.
    """

    kind: Literal["main_sequence"]
    at_1e10: float = -10.0
    slope: float = -0.1
    evolution: float = 2.5
    sigma: float = Field(default=0.5, gt=0)
    dof: float = Field(default=2.0, gt=0)
    low: float = -14.0
    high: float = -7.0


class UniverseAgePrior(Bounded):
    """An age in Gyr, flat between ``low`` and the smaller of ``high`` and the Universe's age."""

    kind: Literal["universe_age"]
    low: float = Field(default=0.01, gt=0)
    high: float = Field(default=14.0, gt=0)


class MassMetallicityPrior(Bounded):
    """log10 metallicity, normal about a relation with mass and truncated to the grid.

    The centre is ``at_1e10 + slope * (log_mass - 10)``.
    """

    kind: Literal["mass_metallicity"]
    at_1e10: float = -2.0
    slope: float = 0.4
    sigma: float = Field(default=0.4, gt=0)
    low: float = -4.0
    high: float = -1.39


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
