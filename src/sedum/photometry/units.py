"""Conversion of what catalogues hold to flux density in µJy."""

from __future__ import annotations

import numpy as np
from astropy import units

from sedum.errors import SedumError, nearest
from sedum.photometry.filters import Filter

__all__ = [
    "AB_ZEROPOINT",
    "MAGNITUDES",
    "flux_to_magnitude",
    "linear_scale",
    "magnitude_to_flux",
    "to_microjansky",
]

#: Units that are magnitudes.
MAGNITUDES = ("ABmag", "Vegamag")
_ALLOWED = "allowed: any astropy flux density, 'ABmag', 'Vegamag', 'zeropoint'"
#: AB magnitude of 1 µJy: 23.9 to the rounding of 3631 Jy (Oke & Gunn 1983).
AB_ZEROPOINT = 2.5 * np.log10(3631e6)


def magnitude_to_flux(magnitude: np.ndarray) -> np.ndarray:
    """Return the flux density in µJy of AB magnitudes."""
    return 10 ** (0.4 * (AB_ZEROPOINT - np.asarray(magnitude, float)))


def flux_to_magnitude(flux: np.ndarray) -> np.ndarray:
    """Return AB magnitudes of flux densities in µJy; NaN where the flux is not positive."""
    flux = np.asarray(flux, float)
    log = np.log10(flux, out=np.full_like(flux, np.nan), where=flux > 0)
    return AB_ZEROPOINT - 2.5 * log


def to_microjansky(
    value: np.ndarray,
    error: np.ndarray,
    unit: str,
    zeropoint: float | None = None,
    band: Filter | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Convert measurements and their errors to µJy.

    Parameters
    ----------
    value, error
        Measurements and errors, [n].
    unit
        ``"ABmag"`` or ``"Vegamag"``; ``"zeropoint"``, for fluxes whose unit has AB magnitude
        ``zeropoint``; or any flux-density unit that astropy understands, per frequency or per
        wavelength.
    zeropoint
        The AB magnitude of flux 1.
    band
        The filter, needed for Vega magnitudes and units per wavelength.

    Returns
    -------
    flux, error : ndarray
        In µJy, [n].

    Raises
    ------
    SedumError
        If the unit is unknown or not a flux density.
    """
    value, error = np.asarray(value, float), np.asarray(error, float)
    if unit in MAGNITUDES:
        vega = band.vega if unit == "Vegamag" and band is not None else 0.0
        flux = magnitude_to_flux(value + vega)
        return flux, flux * error * np.log(10) / 2.5
    scale = linear_scale(unit, zeropoint, band.pivot if band is not None else None)
    return value * scale, error * scale


def linear_scale(unit: str, zeropoint: float | None, pivot: float | None) -> float:
    """Return the flux density in µJy of 1 in a linear unit; see :func:`to_microjansky`."""
    if unit == "zeropoint":
        assert zeropoint is not None
        return float(magnitude_to_flux(np.asarray(zeropoint)))
    try:
        parsed = units.Unit(unit)
    except (ValueError, TypeError):
        known = ["uJy", "nJy", "mJy", "Jy", *MAGNITUDES, "zeropoint", "erg / (s cm2 Hz)"]
        raise SedumError(
            f"catalogue.unit: unknown unit {unit!r}{nearest(unit, known) or ';'} {_ALLOWED}"
        ) from None
    if isinstance(parsed, units.function.FunctionUnitBase):
        raise SedumError(
            f"catalogue.unit: {unit!r} is logarithmic; for magnitudes write 'ABmag', else give a "
            "linear flux density"
        )
    try:
        around = units.spectral_density(pivot * units.AA) if pivot else []
        return float((1 * parsed).to_value(units.uJy, equivalencies=around))
    except units.UnitConversionError:
        raise SedumError(f"catalogue.unit: {unit!r} is not a flux density; {_ALLOWED}") from None
