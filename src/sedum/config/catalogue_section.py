"""The section of the run file on the catalogue: columns, units, corrections and conventions."""

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
    """The columns of a band in the catalogue.

    Examples
    --------
    >>> BandColumns(value="FLUX_r", error="FLUXERR_r").error
    'FLUXERR_r'
    """

    value: str = Field(description="Column of the flux density or magnitude")
    error: str | float = Field(
        description="Column of the 1-sigma error, or the error as a fraction of the flux"
    )
    unit: str | None = Field(
        default=None, description="Unit of this band if it differs from that of the catalogue"
    )
    zeropoint: float | None = Field(
        default=None, description="AB magnitude of one flux unit, for unit: zeropoint"
    )
    limit: str | None = Field(
        default=None, description="Column of upper limits, for limits: {convention: column}"
    )
    flag: str | None = Field(
        default=None, description="Column of flags; the band counts as missing where it is not 0"
    )

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
    """Correction from aperture to total flux, by the ratio of both in a reference band.

    Examples
    --------
    >>> ApertureCorrection(total="m_tot", reference=["m_aper"]).bands is None
    True
    """

    total: str | None = Field(
        default=None, description="Column of the total flux or magnitude in the reference band"
    )
    reference: list[str] = Field(
        default_factory=list,
        description="Columns of the aperture flux or magnitude in the reference band; the first "
        "that has a value is used",
    )
    offset: str | None = Field(
        default=None, description="Column of magnitudes to add, instead of total and reference"
    )
    bands: list[str] | None = Field(default=None, description="Bands to correct; all bands if null")

    @model_validator(mode="after")
    def _one_way(self) -> ApertureCorrection:
        if (self.total is None) == (self.offset is None):
            raise ValueError("give either total and reference, or offset")
        if (self.total is None) != (not self.reference):
            raise ValueError("total and reference go together")
        return self


class ExtinctionCorrection(Section):
    """Correction for the dust of the Milky Way.

    Examples
    --------
    >>> ExtinctionCorrection(ebv="EBV", factor=0.86).law
    'fitzpatrick'
    """

    ebv: str | float = Field(description="Column of E(B-V) in mag, or one value for all rows")
    law: Literal["fitzpatrick", "cardelli"] = Field(
        default="fitzpatrick",
        description="Extinction law with R_V = 3.1: Fitzpatrick (1999) or Cardelli et al. (1989)",
    )
    factor: float = Field(
        default=1.0,
        gt=0,
        description="Factor by which E(B-V) is multiplied; 0.86 for the map of Schlegel et al. "
        "(1998)",
    )
    coefficients: dict[str, float] = Field(
        default_factory=dict,
        description="A / E(B-V) by band, for bands in which the law is not to be used",
    )


class ReportedLimits(Section):
    """How the catalogue reports upper limits.

    ``column``: a column ``limit`` of the band holds the limit where its value is missing.
    ``negative_error``: an error below zero means that the value is the limit.
    ``magnitude_99``: a magnitude of 99 means that the error is the limiting magnitude.

    Examples
    --------
    >>> ReportedLimits(convention="negative_error").sigma
    3.0
    """

    convention: Literal["column", "negative_error", "magnitude_99"] = Field(
        description="How upper limits are marked in the catalogue"
    )
    sigma: float = Field(
        default=3.0,
        gt=0,
        description="Significance of the upper limits in the catalogue, in sigma",
    )


class CatalogueSettings(Section):
    """How to read a catalogue.

    Examples
    --------
    >>> columns = {"sdss_r0": {"value": "flux_r", "error": "err_r"}}
    >>> CatalogueSettings(columns=columns, unit="nJy", id="objid").needed()
    ['objid', 'flux_r', 'err_r']
    """

    columns: dict[str, BandColumns] = Field(description="Columns of each band, by band name")
    unit: str = Field(
        default="uJy",
        description="Unit of fluxes and errors: a flux-density unit of astropy, 'ABmag', "
        "'Vegamag' or 'zeropoint'",
    )
    zeropoint: float | None = Field(
        default=None, description="AB magnitude of one flux unit, for unit: zeropoint"
    )
    extension: str | int | None = Field(
        default=None,
        description="Name or number of the FITS extension, or path in an HDF5 file; the first "
        "table if null",
    )
    missing: list[float] = Field(
        default=[-99.0], description="Values that mean 'not observed', as NaN always does"
    )
    missing_beyond: float | None = Field(
        default=None,
        gt=0,
        description="Values whose absolute value is at least this mean 'not observed'",
    )
    id: str | None = Field(
        default=None, description="Column of identifiers; row numbers from 0 if null"
    )
    redshift: str | None = Field(
        default=None, description="Column of known redshifts, copied to the output"
    )
    redshift_error: str | None = Field(
        default=None, description="Column of the 1-sigma errors of these redshifts"
    )
    use_redshift: bool = Field(
        default=False, description="Whether the estimator uses the known redshifts"
    )
    require: dict[str, list[float | str]] = Field(
        default_factory=dict,
        description="Allowed values by column; a row with any other value is not fitted",
    )
    offsets: dict[str, float] = Field(
        default_factory=dict, description="Magnitudes to add to each band, or a file of them"
    )
    extinction: ExtinctionCorrection | None = Field(
        default=None, description="Correction for the dust of the Milky Way"
    )
    aperture: ApertureCorrection | None = Field(
        default=None, description="Correction from aperture to total flux"
    )
    limits: ReportedLimits | None = Field(
        default=None, description="How the catalogue reports upper limits; it has none if null"
    )

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
        """Return the unit and the zero-point of a band's columns."""
        column = self.columns[band]
        return (column.unit, column.zeropoint) if column.unit else (self.unit, self.zeropoint)

    def needed(self) -> list[str]:
        """Return the names of all columns to read."""
        names: list[str | float | None] = [self.id, self.redshift, self.redshift_error]
        for column in self.columns.values():
            names += [column.value, column.error, column.limit, column.flag]
        if self.aperture:
            names += [self.aperture.total, *self.aperture.reference, self.aperture.offset]
        names += [self.extinction.ebv] if self.extinction else []
        names += list(self.require)
        return list(dict.fromkeys(n for n in names if isinstance(n, str)))

    def mentioned(self) -> list[tuple[str, list[str]]]:
        """Return each key that names bands, with those bands."""
        keys = [("catalogue.columns", list(self.columns))]
        keys += [("catalogue.offsets", list(self.offsets))]
        if self.extinction:
            keys += [("catalogue.extinction.coefficients", list(self.extinction.coefficients))]
        if self.aperture and self.aperture.bands is not None:
            keys += [("catalogue.aperture.bands", self.aperture.bands)]
        return keys
