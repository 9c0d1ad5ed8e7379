"""What the run file says of a survey's noise: errors, missing bands, limits, selection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, field_validator, model_validator

from sedum.config.section import Section, tag_of

__all__ = [
    "NOISES",
    "AnyNoise",
    "BootstrapNoise",
    "DepthNoise",
    "DepthRegion",
    "LearnedNoise",
    "MissingPattern",
    "MissingSettings",
    "NoiseSettings",
    "RegionNoise",
    "SelectionSettings",
    "TemplateErrorSettings",
    "UpperLimitSettings",
]


class SelectionSettings(Section):
    """The survey's cut on what it observed: signal-to-noise in one band."""

    band: str
    snr: float = Field(gt=0)


class UpperLimitSettings(Section):
    """Non-detections that the survey reports as upper limits only."""

    sigma: float = Field(default=3.0, gt=0, description="the limit in units of the error")
    fraction: float = Field(default=1.0, gt=0, le=1, description="of galaxies reported so")
    bands: list[str] | None = Field(default=None, description="all bands if not given")


class MissingPattern(Section):
    """Bands that a part of the survey does not have."""

    fraction: float = Field(gt=0, le=1, description="of the galaxies")
    absent: list[str] = Field(min_length=1)


class MissingSettings(Section):
    """Bands that are not there: at random, by the thinning of some galaxies, or by patterns."""

    rate: float = Field(default=0.05, ge=0, lt=1, description="chance of each band")
    band_dropout: float = Field(
        default=0.2, ge=0, le=1, description="share of galaxies that lack any part of their bands"
    )
    patterns: list[MissingPattern] = Field(default_factory=list)

    @model_validator(mode="after")
    def _fractions(self) -> MissingSettings:
        total = sum(p.fraction for p in self.patterns)
        if total > 1 + 1e-9:
            raise ValueError(f"patterns: the fractions add up to {total:g}, more than 1")
        return self


class TemplateErrorSettings(Section):
    """Error of the models themselves, as a fraction of the flux against rest wavelength."""

    wavelength: list[float] = Field(min_length=2, description="rest frame, Angstrom, increasing")
    fraction: list[float] = Field(min_length=2)
    scale: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _table(self) -> TemplateErrorSettings:
        if len(self.wavelength) != len(self.fraction):
            raise ValueError("wavelength and fraction need the same number of values")
        if any(b <= a for a, b in zip(self.wavelength, self.wavelength[1:], strict=False)):
            raise ValueError("wavelength must increase")
        if self.wavelength[0] <= 0 or min(self.fraction) < 0:
            raise ValueError("wavelength must be positive and fraction not negative")
        return self


class NoiseSettings(Section):
    """What all kinds of noise share."""

    floor: float | dict[str, float] = Field(default=0.02, description="fraction of model flux")
    zeropoint_error: float | dict[str, float] = Field(
        default=0.0, description="mag, shared by galaxies, marginalised"
    )
    template_error: TemplateErrorSettings | None = None
    student_dof: float | None = Field(
        default=None, ge=1, description="heavy tails: degrees of freedom of Student's t"
    )
    space: Literal["flux", "asinh"] = Field(
        default="flux", description="where the noise is symmetric"
    )
    missing: float | MissingSettings = Field(
        default=MissingSettings(), description="a number: at random only"
    )
    limits: UpperLimitSettings | None = None
    redshift_given: float = Field(default=0.2, ge=0, le=1, description="share with known z")
    redshift_error: float | tuple[float, float] = Field(
        default=0.001, description="of 1 + z; or a range, drawn evenly in its logarithm"
    )
    selection: SelectionSettings | None = None

    @field_validator("floor")
    @classmethod
    def _floor(cls, value: float | dict[str, float]) -> float | dict[str, float]:
        return _fractions(value, "a calibration floor is a fraction")

    @field_validator("zeropoint_error")
    @classmethod
    def _zeropoint(cls, value: float | dict[str, float]) -> float | dict[str, float]:
        return _fractions(value, "a zero-point error is in mag,")

    @field_validator("missing")
    @classmethod
    def _missing(cls, value: float | MissingSettings) -> float | MissingSettings:
        if isinstance(value, float) and not 0 <= value < 1:
            raise ValueError(f"the chance that a band is missing is in [0, 1), not {value}")
        return value

    @field_validator("redshift_error")
    @classmethod
    def _redshift_error(cls, value: float | tuple[float, float]) -> float | tuple[float, float]:
        low, high = value if isinstance(value, tuple) else (value, value)
        if not 0 < low <= high:
            raise ValueError("the error of redshifts must be positive, a range in order")
        return value

    @property
    def missing_bands(self) -> MissingSettings:
        """How bands are missing; a plain number in the run file means at random only."""
        if isinstance(self.missing, MissingSettings):
            return self.missing
        return MissingSettings(rate=self.missing, band_dropout=0.0)

    @property
    def redshift_error_range(self) -> tuple[float, float]:
        """Smallest and largest error of given redshifts, in units of 1 + z."""
        both = self.redshift_error
        return both if isinstance(both, tuple) else (both, both)

    def per_band(self, key: str, bands: list[str]) -> list[float]:
        """Return ``floor`` or ``zeropoint_error`` for each band; zero where not given."""
        value = getattr(self, key)
        return [value.get(b, 0.0) if isinstance(value, dict) else value for b in bands]

    def mentioned(self) -> Iterator[tuple[str, list[str], bool]]:
        """Yield each key that names bands, those bands, and whether it must name all."""
        for key in ("floor", "zeropoint_error"):
            if isinstance(value := getattr(self, key), dict):
                yield f"noise.{key}", list(value), False
        if self.selection:
            yield "noise.selection.band", [self.selection.band], False
        if self.limits and self.limits.bands is not None:
            yield "noise.limits.bands", self.limits.bands, False
        for i, pattern in enumerate(self.missing_bands.patterns):
            yield f"noise.missing.patterns[{i}].absent", pattern.absent, False


def _fractions(value: float | dict[str, float], what: str) -> float | dict[str, float]:
    for band, v in value.items() if isinstance(value, dict) else [("", value)]:
        if not 0 <= v < 1:
            raise ValueError(f"{band}{': ' if band else ''}{what} in [0, 1), not {v}")
    return value


def _magnitudes(value: dict[str, float]) -> dict[str, float]:
    for band, depth in value.items():
        if not -10 < depth < 50:
            raise ValueError(f"{band}: a depth is an AB magnitude, not {depth}")
    return value


Depths = Annotated[
    dict[str, float],
    AfterValidator(_magnitudes),
    Field(description="5-sigma AB magnitude per band"),
]


class ScatteredNoise(NoiseSettings):
    """Errors that scatter about depths."""

    scatter: float = Field(default=0.05, ge=0, description="dex, independent in each band")
    shared_scatter: float = Field(default=0.05, ge=0, description="dex, common to all bands")


class DepthNoise(ScatteredNoise):
    """Errors about one depth for each band."""

    kind: Literal["depths"] = "depths"
    depths: Depths

    def mentioned(self) -> Iterator[tuple[str, list[str], bool]]:
        """Yield each key that names bands; see :meth:`NoiseCommon.mentioned`."""
        yield "noise.depths", list(self.depths), True
        yield from super().mentioned()


class DepthRegion(Section):
    """A part of the survey with depths of its own."""

    fraction: float = Field(gt=0, le=1, description="of the area")
    depths: Depths


class RegionNoise(ScatteredNoise):
    """A depth map: regions of the survey with their share of its area."""

    kind: Literal["regions"]
    regions: list[DepthRegion] = Field(min_length=1)

    @model_validator(mode="after")
    def _fractions(self) -> RegionNoise:
        total = sum(r.fraction for r in self.regions)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"regions: the fractions add up to {total:g}, not to 1")
        return self

    def mentioned(self) -> Iterator[tuple[str, list[str], bool]]:
        """Yield each key that names bands; see :meth:`NoiseCommon.mentioned`."""
        for i, region in enumerate(self.regions):
            yield f"noise.regions[{i}].depths", list(region.depths), True
        yield from super().mentioned()


class LearnedNoise(NoiseSettings):
    """Errors against brightness, as ``sedum noise fit`` learns them from a catalogue."""

    kind: Literal["learned"]
    file: Path
    survey_patterns: bool = Field(default=True, description="missing bands as in the catalogue")


class BootstrapNoise(NoiseSettings):
    """Whole error vectors, missing bands and limits of real galaxies of like brightness."""

    kind: Literal["bootstrap"]
    file: Path
    neighbours: int = Field(default=8, ge=1, description="candidates among which one is drawn")


#: Tags of the kinds, which differ from keys of the file so that messages can leave them out.
NOISES: dict[str, tuple[str, type[NoiseSettings]]] = {
    "depths": ("DepthNoise", DepthNoise),
    "regions": ("RegionNoise", RegionNoise),
    "learned": ("LearnedNoise", LearnedNoise),
    "bootstrap": ("BootstrapNoise", BootstrapNoise),
}


def noise_kind(value: Any) -> str:
    """Return the tag of an entry of the run file; depths where no kind is given."""
    return tag_of(value, NOISES, "depths")


AnyNoise = Annotated[
    Annotated[DepthNoise, Tag("DepthNoise")]
    | Annotated[RegionNoise, Tag("RegionNoise")]
    | Annotated[LearnedNoise, Tag("LearnedNoise")]
    | Annotated[BootstrapNoise, Tag("BootstrapNoise")],
    Discriminator(noise_kind),
]
