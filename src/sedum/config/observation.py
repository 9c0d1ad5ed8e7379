"""What the run file says of the survey, the training and the catalogue."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from sedum.config.sections import Section

__all__ = [
    "Band",
    "Catalogue",
    "Column",
    "CurveBand",
    "EazyBand",
    "Estimator",
    "Library",
    "Noise",
    "Output",
    "Selection",
    "Training",
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


class Selection(Section):
    """The survey's cut on what it observed: signal-to-noise in one band."""

    band: str
    snr: float = Field(gt=0)


class Noise(Section):
    """Errors drawn from survey depths; the same numbers define the likelihood."""

    depths: dict[str, float] = Field(description="5-sigma AB magnitude per band")
    scatter: float = Field(default=0.05, ge=0, description="dex, independent in each band")
    shared_scatter: float = Field(default=0.05, ge=0, description="dex, common to all bands")
    floor: float | dict[str, float] = Field(default=0.02, description="fraction of model flux")
    missing: float = Field(default=0.05, ge=0, lt=1, description="chance that a band is missing")
    redshift_given: float = Field(default=0.2, ge=0, le=1, description="share with known z")
    redshift_error: float = Field(default=0.001, gt=0, description="of 1 + z")
    selection: Selection | None = None

    @field_validator("floor")
    @classmethod
    def _floor(cls, value: float | dict[str, float]) -> float | dict[str, float]:
        for v in value.values() if isinstance(value, dict) else [value]:
            if not 0 <= v < 1:
                raise ValueError(f"a calibration floor is a fraction in [0, 1), not {v}")
        return value


class Library(Section):
    """How many galaxies to simulate, and in what portions."""

    size: int = Field(default=200_000, gt=0)
    chunk: int = Field(default=10_000, gt=0)
    seed: int = Field(default=1, ge=0)


class Estimator(Section):
    """The conditional density estimator."""

    layers: int = Field(default=4, ge=1)
    bins: int = Field(default=8, ge=2)
    width: int = Field(default=256, ge=8)
    blocks: int = Field(default=3, ge=1)


class Training(Section):
    """Optimisation."""

    steps: int = Field(default=20_000, gt=0)
    batch: int = Field(default=512, gt=1)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-3, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1, description="share of the steps")
    averaging: float = Field(default=0.999, ge=0, lt=1, description="decay of averaged weights")
    clip: float = Field(default=5.0, gt=0, description="largest norm of the gradient")
    held_out: float = Field(default=0.05, gt=0, lt=1, description="share of the galaxies")
    patience: int = Field(default=20, gt=0, description="rounds without improvement")
    round: int = Field(default=500, gt=0, description="steps between validations")
    seed: int = Field(default=1, ge=0)
    device: str = "auto"

    @field_validator("device")
    @classmethod
    def _device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", value):
            raise ValueError(f"found {value!r}; allowed: auto, cpu, cuda, cuda:0 and so on, mps")
        return value


class Column(Section):
    """Where a band's measurement stands in the catalogue."""

    value: str
    error: str


class Catalogue(Section):
    """How to read a catalogue."""

    columns: dict[str, Column]
    unit: str = Field(default="uJy", description="a flux-density unit, 'ABmag' or 'zeropoint'")
    zeropoint: float | None = Field(default=None, description="AB magnitude of one flux unit")
    missing: list[float] = Field(default=[-99.0], description="values that mean 'not observed'")
    id: str | None = None
    redshift: str | None = None
    use_redshift: bool = Field(default=False, description="give the redshift to the estimator")

    @model_validator(mode="after")
    def _zeropoint(self) -> Catalogue:
        if (self.unit == "zeropoint") != (self.zeropoint is not None):
            raise ValueError("unit: zeropoint and a zeropoint: value go together")
        return self


class Output(Section):
    """What to write of each posterior."""

    draws: int = Field(default=1000, gt=1)
    derived_draws: int = Field(default=200, gt=1)
    save_draws: bool = False
    derived: list[str] = Field(
        default_factory=lambda: list(DEFAULT_DERIVED), description="derived quantities"
    )
    seed: int = Field(default=1, ge=0)
