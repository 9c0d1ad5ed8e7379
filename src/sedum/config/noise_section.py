"""The section of the run file on noise: errors, missing bands, upper limits and selection."""

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
    """The selection of the survey: a minimum signal-to-noise ratio in one band.

    Examples
    --------
    >>> SelectionSettings(band="sdss_r0", snr=5).snr
    5.0
    """

    band: str = Field(description="Band in which galaxies are selected")
    snr: float = Field(gt=0, description="Minimum signal-to-noise ratio in that band")


class UpperLimitSettings(Section):
    """Non-detections that the survey reports as upper limits.

    Examples
    --------
    >>> UpperLimitSettings(sigma=2).fraction
    1.0
    """

    sigma: float = Field(default=3.0, gt=0, description="Upper limit in units of the 1-sigma error")
    fraction: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Fraction of the galaxies whose non-detections are reported as limits",
    )
    bands: list[str] | None = Field(
        default=None, description="Bands with upper limits; all bands if null"
    )


class MissingPattern(Section):
    """Bands that a part of the survey lacks.

    Examples
    --------
    >>> MissingPattern(fraction=0.3, absent=["vista_vircam_J"]).fraction
    0.3
    """

    fraction: float = Field(gt=0, le=1, description="Fraction of the galaxies")
    absent: list[str] = Field(min_length=1, description="Bands that they lack")


class MissingSettings(Section):
    """Missing bands in training: at random, by band dropout in some galaxies, and by patterns.

    Examples
    --------
    >>> MissingSettings(rate=0.1).band_dropout
    0.2
    """

    rate: float = Field(
        default=0.05, ge=0, lt=1, description="Probability that a band of a galaxy is missing"
    )
    band_dropout: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Fraction of the galaxies with band dropout: each of them loses its bands at "
        "a rate of its own, uniform between 0 and 1",
    )
    patterns: list[MissingPattern] = Field(
        default_factory=list, description="Sets of bands that are missing together"
    )

    @model_validator(mode="after")
    def _fractions(self) -> MissingSettings:
        total = sum(p.fraction for p in self.patterns)
        if total > 1 + 1e-9:
            raise ValueError(f"patterns: the fractions add up to {total:g}, more than 1")
        return self


class TemplateErrorSettings(Section):
    """Error of the models themselves, as a fraction of the flux against rest-frame wavelength.

    Examples
    --------
    >>> TemplateErrorSettings(wavelength=[1000, 10000], fraction=[0.2, 0.05]).scale
    1.0
    """

    wavelength: list[float] = Field(
        min_length=2, description="Rest-frame wavelengths in Angstrom, increasing"
    )
    fraction: list[float] = Field(
        min_length=2, description="Error at these wavelengths, as a fraction of the flux"
    )
    scale: float = Field(
        default=1.0, ge=0, description="Factor by which all fractions are multiplied"
    )

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
    """Settings that all kinds of noise have in common.

    Examples
    --------
    >>> NoiseSettings(floor={"sdss_u0": 0.05}).per_band("floor", ["sdss_u0", "sdss_r0"])
    [0.05, 0.0]
    """

    floor: float | dict[str, float] = Field(
        default=0.02,
        description="Calibration and model error as a fraction of the true flux, for all bands or "
        "by band",
    )
    zeropoint_error: float | dict[str, float] = Field(
        default=0.0,
        description="1-sigma error of the zero-points in mag, common to all galaxies, for all "
        "bands or by band; the likelihood is marginalised over it",
    )
    template_error: TemplateErrorSettings | None = Field(
        default=None, description="Error of the models against rest-frame wavelength"
    )
    student_dof: float | None = Field(
        default=None,
        ge=1,
        description="Degrees of freedom of Student's t distribution, for noise with heavy tails; "
        "normal noise if null",
    )
    space: Literal["flux", "asinh"] = Field(
        default="flux", description="Whether the noise is symmetric in flux or in asinh magnitudes"
    )
    missing: float | MissingSettings = Field(
        default=MissingSettings(),
        description="How bands are missing in training; a number is the rate of random loss, "
        "without band dropout",
    )
    limits: UpperLimitSettings | None = Field(
        default=None, description="Upper limits instead of non-detections; none if null"
    )
    redshift_given: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Fraction of the training galaxies with a known redshift",
    )
    redshift_error: float | tuple[float, float] = Field(
        default=0.001,
        description="1-sigma error of known redshifts in units of 1 + z, or a range from which it "
        "is drawn, uniform in the logarithm",
    )
    selection: SelectionSettings | None = Field(
        default=None,
        description="Selection of the survey; galaxies that fail it are not trained on",
    )

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
        """How bands are missing; a number in the run file means a random rate only."""
        if isinstance(self.missing, MissingSettings):
            return self.missing
        return MissingSettings(rate=self.missing, band_dropout=0.0)

    @property
    def redshift_error_range(self) -> tuple[float, float]:
        """Minimum and maximum error of known redshifts, in units of 1 + z."""
        both = self.redshift_error
        return both if isinstance(both, tuple) else (both, both)

    def per_band(self, key: str, bands: list[str]) -> list[float]:
        """Return ``floor`` or ``zeropoint_error`` for each band, zero for bands not listed."""
        value = getattr(self, key)
        return [value.get(b, 0.0) if isinstance(value, dict) else value for b in bands]

    def mentioned(self) -> Iterator[tuple[str, list[str], bool]]:
        """Yield each key that names bands, those bands, and whether it must name all of them."""
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
    Field(description="5-sigma point-source depth by band, in AB magnitudes"),
]


class ScatteredNoise(NoiseSettings):
    """Errors that scatter about the survey depth."""

    scatter: float = Field(
        default=0.05, ge=0, description="Scatter of the errors in dex, independent in each band"
    )
    shared_scatter: float = Field(
        default=0.05, ge=0, description="Scatter of the errors in dex, common to a galaxy's bands"
    )


class DepthNoise(ScatteredNoise):
    """Errors about one depth for each band.

    Examples
    --------
    >>> DepthNoise(depths={"sdss_r0": 25.0}).kind
    'depths'
    """

    kind: Literal["depths"] = "depths"
    depths: Depths

    def mentioned(self) -> Iterator[tuple[str, list[str], bool]]:
        """Yield each key that names bands; see :meth:`NoiseSettings.mentioned`."""
        yield "noise.depths", list(self.depths), True
        yield from super().mentioned()


class DepthRegion(Section):
    """A part of the survey with its own depths.

    Examples
    --------
    >>> DepthRegion(fraction=0.3, depths={"sdss_r0": 26.0}).fraction
    0.3
    """

    fraction: float = Field(gt=0, le=1, description="Fraction of the survey area")
    depths: Depths


class RegionNoise(ScatteredNoise):
    """A depth map: regions of the survey with their depths and fractions of the area.

    Examples
    --------
    >>> deep = {"fraction": 0.3, "depths": {"sdss_r0": 26.0}}
    >>> wide = {"fraction": 0.7, "depths": {"sdss_r0": 25.0}}
    >>> len(RegionNoise(kind="regions", regions=[deep, wide]).regions)
    2
    """

    kind: Literal["regions"]
    regions: list[DepthRegion] = Field(
        min_length=1, description="The regions; their fractions add up to 1"
    )

    @model_validator(mode="after")
    def _fractions(self) -> RegionNoise:
        total = sum(r.fraction for r in self.regions)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"regions: the fractions add up to {total:g}, not to 1")
        return self

    def mentioned(self) -> Iterator[tuple[str, list[str], bool]]:
        """Yield each key that names bands; see :meth:`NoiseSettings.mentioned`."""
        for i, region in enumerate(self.regions):
            yield f"noise.regions[{i}].depths", list(region.depths), True
        yield from super().mentioned()


class LearnedNoise(NoiseSettings):
    """Errors against brightness, learned from a catalogue by ``sedum noise fit``.

    Examples
    --------
    >>> LearnedNoise(kind="learned", file="noise.h5").survey_patterns
    True
    """

    kind: Literal["learned"]
    file: Path = Field(description="File that sedum noise fit wrote, relative to the run file")
    survey_patterns: bool = Field(
        default=True,
        description="Whether bands are missing in the combinations in which the catalogue lacks "
        "them",
    )


class BootstrapNoise(NoiseSettings):
    """Errors, missing bands and limits of whole galaxies of similar brightness in a catalogue.

    Examples
    --------
    >>> BootstrapNoise(kind="bootstrap", file="noise.h5").neighbours
    8
    """

    kind: Literal["bootstrap"]
    file: Path = Field(description="File that sedum noise fit wrote, relative to the run file")
    neighbours: int = Field(
        default=8,
        ge=1,
        description="Number of similar galaxies in the catalogue, of which one is drawn",
    )


#: Tags of the kinds. They differ from keys of the file so that messages can omit them.
NOISES: dict[str, tuple[str, type[NoiseSettings]]] = {
    "depths": ("DepthNoise", DepthNoise),
    "regions": ("RegionNoise", RegionNoise),
    "learned": ("LearnedNoise", LearnedNoise),
    "bootstrap": ("BootstrapNoise", BootstrapNoise),
}


def noise_kind(value: Any) -> str:
    """Return the tag of an entry of the run file; that of ``depths`` if no kind is given."""
    return tag_of(value, NOISES, "depths")


AnyNoise = Annotated[
    Annotated[DepthNoise, Tag("DepthNoise")]
    | Annotated[RegionNoise, Tag("RegionNoise")]
    | Annotated[LearnedNoise, Tag("LearnedNoise")]
    | Annotated[BootstrapNoise, Tag("BootstrapNoise")],
    Discriminator(noise_kind),
]
