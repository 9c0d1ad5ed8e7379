"""What the run file says of a catalogue: columns, units, corrections, conventions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from sedum.config.section import Section

__all__ = [
    "ApertureCorrection",
    "BandColumns",
    "CatalogueSettings",
    "ExtinctionCorrection",
    "ReportedLimits",
]


def _check_zeropoint(unit: str | None, zeropoint: float | None) -> None:
    if (unit == "zeropoint") != (zeropoint is not None):
        raise ValueError("unit: zeropoint and a zeropoint: value go together")


class BandColumns(Section):
    """Where a band's measurement stands in the catalogue."""

    value: str
    error: str | float = Field(description="a column, or a fraction of the value")
    unit: str | None = Field(default=None, description="where it is not that of the catalogue")
    zeropoint: float | None = None
    limit: str | None = Field(default=None, description="column of upper limits")
    flag: str | None = Field(default=None, description="column that is not 0 where bad")

    @field_validator("error")
    @classmethod
    def _error(cls, value: str | float) -> str | float:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError(f"expected a column's name, or a fraction in (0, 1), not {value}")
        return value

    @model_validator(mode="after")
    def _zeropoint(self) -> BandColumns:
        _check_zeropoint(self.unit, self.zeropoint)
        return self


class ApertureCorrection(Section):
    """From aperture to total: all bands are scaled as a reference band is."""

    total: str | None = Field(default=None, description="column of the total measurement")
    reference: list[str] = Field(
        default_factory=list, description="columns of its aperture measurement, the first there is"
    )
    offset: str | None = Field(default=None, description="column of magnitudes to add instead")
    bands: list[str] | None = Field(default=None, description="those scaled; all if not given")

    @model_validator(mode="after")
    def _one_way(self) -> ApertureCorrection:
        if (self.total is None) == (self.offset is None):
            raise ValueError("give either total and reference, or offset")
        if (self.total is None) != (not self.reference):
            raise ValueError("total and reference go together")
        return self


class ExtinctionCorrection(Section):
    """Correction for the dust of the Milky Way."""

    ebv: str | float = Field(description="a column of E(B-V) in mag, or one value")
    law: Literal["fitzpatrick", "cardelli"] = "fitzpatrick"
    factor: float = Field(
        default=1.0, gt=0, description="on E(B-V); 0.86 for the map of Schlegel et al. (1998)"
    )
    coefficients: dict[str, float] = Field(
        default_factory=dict, description="A / E(B-V) of single bands, instead of the law's"
    )


class ReportedLimits(Section):
    """How the catalogue reports upper limits.

    ``column``: in the column ``limit`` of a band, where its value is missing.
    ``negative_error``: an error below zero says that the value is the limit.
    ``magnitude_99``: a magnitude of 99 says that the error is the limiting magnitude.
    """

    convention: Literal["column", "negative_error", "magnitude_99"]
    sigma: float = Field(default=3.0, gt=0, description="of the limits in the catalogue")


class CatalogueSettings(Section):
    """How to read a catalogue."""

    columns: dict[str, BandColumns]
    unit: str = Field(
        default="uJy", description="a flux-density unit, 'ABmag', 'Vegamag' or 'zeropoint'"
    )
    zeropoint: float | None = Field(default=None, description="AB magnitude of one flux unit")
    extension: str | int | None = Field(default=None, description="of FITS, or path in HDF5")
    missing: list[float] = Field(default=[-99.0], description="values that mean 'not observed'")
    missing_beyond: float | None = Field(
        default=None, gt=0, description="values as large, of either sign, mean 'not observed'"
    )
    id: str | None = None
    redshift: str | None = None
    redshift_error: str | None = Field(default=None, description="column of 1-sigma errors of z")
    use_redshift: bool = Field(default=False, description="give the redshift to the estimator")
    require: dict[str, list[float | str]] = Field(
        default_factory=dict, description="values that a column must have for a row to be fitted"
    )
    offsets: dict[str, float] = Field(
        default_factory=dict, description="mag to add to each band, or a file of them"
    )
    extinction: ExtinctionCorrection | None = None
    aperture: ApertureCorrection | None = None
    limits: ReportedLimits | None = None

    @field_validator("missing", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return [value] if isinstance(value, int | float) else value

    @model_validator(mode="after")
    def _consistent(self) -> CatalogueSettings:
        _check_zeropoint(self.unit, self.zeropoint)
        if not self.columns:
            raise ValueError("columns: map at least one band")
        if (self.use_redshift or self.redshift_error) and self.redshift is None:
            raise ValueError("use_redshift and redshift_error need redshift: a column")
        reported = self.limits.convention if self.limits else None
        for band, column in self.columns.items():
            if (column.limit is not None) and reported != "column":
                raise ValueError(f"columns.{band}.limit needs limits: {{convention: column}}")
            if isinstance(column.error, float) and reported in ("negative_error", "magnitude_99"):
                raise ValueError(f"columns.{band}.error must be a column with limits: {reported}")
        return self

    def unit_of(self, band: str) -> tuple[str, float | None]:
        """Return unit and zero-point of a band's columns."""
        column = self.columns[band]
        return (column.unit, column.zeropoint) if column.unit else (self.unit, self.zeropoint)

    def needed(self) -> list[str]:
        """Return the names of all columns that are read."""
        names: list[str | float | None] = [self.id, self.redshift, self.redshift_error]
        for column in self.columns.values():
            names += [column.value, column.error, column.limit, column.flag]
        if self.aperture:
            names += [self.aperture.total, *self.aperture.reference, self.aperture.offset]
        names += [self.extinction.ebv] if self.extinction else []
        names += list(self.require)
        return list(dict.fromkeys(n for n in names if isinstance(n, str)))

    def mentioned(self) -> list[tuple[str, list[str]]]:
        """Return each key that names bands, and those bands."""
        found = [("catalogue.columns", list(self.columns))]
        found += [("catalogue.offsets", list(self.offsets))]
        if self.extinction:
            found += [("catalogue.extinction.coefficients", list(self.extinction.coefficients))]
        if self.aperture and self.aperture.bands is not None:
            found += [("catalogue.aperture.bands", self.aperture.bands)]
        return found
