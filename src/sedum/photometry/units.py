"""Conversion of what catalogues hold to flux density in µJy."""

from __future__ import annotations

import numpy as np
from astropy import units

from sedum.errors import SedumError, nearest

__all__ = ["AB_ZEROPOINT", "flux_to_magnitude", "magnitude_to_flux", "to_microjansky"]

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
    pivot: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Convert measurements and their errors to µJy.

    Parameters
    ----------
    value, error
        Measurements and errors, [n].
    unit
        ``"ABmag"``; ``"zeropoint"``, for fluxes whose unit has AB magnitude ``zeropoint``; or
        any flux-density unit that astropy understands, per frequency or per wavelength.
    zeropoint
        The AB magnitude of flux 1.
    pivot
        The band's pivot wavelength in Angstrom, needed for units per wavelength.

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
    if unit == "ABmag":
        flux = magnitude_to_flux(value)
        return flux, flux * error * np.log(10) / 2.5
    if unit == "zeropoint":
        assert zeropoint is not None
        scale = float(magnitude_to_flux(np.asarray(zeropoint)))
        return value * scale, error * scale
    try:
        parsed = units.Unit(unit)
    except (ValueError, TypeError):
        known = ["uJy", "nJy", "mJy", "Jy", "ABmag", "zeropoint", "erg / (s cm2 Hz)"]
        raise SedumError(
            f"catalogue.unit: unknown unit {unit!r}{nearest(unit, known) or ';'} "
            "allowed: any astropy flux density, 'ABmag', 'zeropoint'"
        ) from None
    if isinstance(parsed, units.function.FunctionUnitBase):
        raise SedumError(
            f"catalogue.unit: {unit!r} is logarithmic; for magnitudes write 'ABmag', else give a "
            "linear flux density"
        )
    try:
        around = units.spectral_density(pivot * units.AA) if pivot else []
        scale = (1 * parsed).to_value(units.uJy, equivalencies=around)
    except units.UnitConversionError:
        raise SedumError(
            f"catalogue.unit: {unit!r} is not a flux density; "
            "allowed: any astropy flux density, 'ABmag', 'zeropoint'"
        ) from None
    return value * scale, error * scale
