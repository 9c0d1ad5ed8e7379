"""Conversion of fluxes and magnitudes to flux density in µJy."""

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
#: AB magnitude of 1 µJy, for a zero-point of 3631 Jy (Oke & Gunn 1983).
AB_ZEROPOINT = 2.5 * np.log10(3631e6)


def magnitude_to_flux(magnitude: np.ndarray) -> np.ndarray:
    """Return the flux density in µJy of AB magnitudes (Oke & Gunn 1983).

    Examples
    --------
    >>> magnitude_to_flux(np.array([23.9, 26.4])).round(2)
    array([1. , 0.1])
    """
    return 10 ** (0.4 * (AB_ZEROPOINT - np.asarray(magnitude, float)))


def flux_to_magnitude(flux: np.ndarray) -> np.ndarray:
    """Return the AB magnitudes of flux densities in µJy (Oke & Gunn 1983).

    The magnitude is NaN if the flux is not positive.

    Examples
    --------
    >>> flux_to_magnitude(np.array([1.0, 0.0])).round(2)
    array([23.9,  nan])
    """
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
    """Convert fluxes or magnitudes and their errors to µJy.

    Parameters
    ----------
    value, error
        Measurements and their 1-sigma errors, [n].
    unit
        ``"ABmag"`` or ``"Vegamag"``; ``"zeropoint"`` for fluxes of which 1 has the AB magnitude
        ``zeropoint``; or any flux-density unit of astropy, per frequency or per wavelength.
    zeropoint
        AB magnitude of flux 1, for unit ``"zeropoint"``.
    band
        The filter, needed for Vega magnitudes and units per wavelength.

    Returns
    -------
    flux, error : ndarray
        Flux densities and errors in µJy, [n].

    Raises
    ------
    SedumError
        If the unit is unknown or not a flux density.

    Examples
    --------
    >>> flux, error = to_microjansky([23.9], [0.1], "ABmag")
    >>> float(flux[0].round(3)), float(error[0].round(3))
    (1.0, 0.092)
    """
    value, error = np.asarray(value, float), np.asarray(error, float)
    if unit in MAGNITUDES:
        vega = band.vega if unit == "Vegamag" and band is not None else 0.0
        flux = magnitude_to_flux(value + vega)
        return flux, flux * error * np.log(10) / 2.5
    scale = linear_scale(unit, zeropoint, band.pivot if band is not None else None)
    return value * scale, error * scale


def linear_scale(unit: str, zeropoint: float | None, pivot: float | None) -> float:
    """Return the flux density in µJy of 1 in a linear unit; see :func:`to_microjansky`.

    Parameters
    ----------
    unit
        ``"zeropoint"`` or a flux-density unit of astropy.
    zeropoint
        AB magnitude of flux 1, for unit ``"zeropoint"``.
    pivot
        Pivot wavelength of the band in Angstrom, needed for units per wavelength.

    Raises
    ------
    SedumError
        If the unit is unknown or not a flux density.

    Examples
    --------
    >>> linear_scale("nJy", None, None)
    0.001
    """
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
