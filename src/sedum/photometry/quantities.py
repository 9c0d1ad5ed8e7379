"""Arguments as plain numbers or as astropy quantities.

Plain numbers are in the unit that sedum documents. Quantities, and table columns with a unit, are
converted to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units

from sedum.errors import SedumError

__all__ = [
    "angstrom",
    "convert",
    "microjansky",
    "solar_luminosities",
    "solar_per_angstrom",
    "with_unit",
    "years",
]

_LUMINOSITY_DENSITY = units.Lsun / units.AA


def convert(value: Any, unit: Any, argument: str, equivalencies: Any = ()) -> np.ndarray:
    """Return the numbers of an argument in one unit.

    Parameters
    ----------
    value
        Numbers in ``unit``, or an astropy quantity or table column in any unit of that dimension.
    unit
        Unit of the numbers that are returned.
    argument
        Name of the argument, for the message.
    equivalencies
        Equivalencies of astropy that the conversion may use.

    Returns
    -------
    ndarray
        The numbers as float64, in the shape of ``value``.

    Raises
    ------
    SedumError
        If the unit of ``value`` has another dimension.

    Examples
    --------
    >>> from astropy import units
    >>> convert([1.0, 2.0] * units.Myr, units.yr, "ages")
    array([1000000., 2000000.])
    """
    given = getattr(value, "unit", None)
    if given is None:
        return np.asarray(value, float)
    try:
        return np.asarray(units.Quantity(value).to_value(unit, equivalencies), float)
    except units.UnitsError:
        raise SedumError(f"{argument}: cannot convert {given} to {units.Unit(unit)}") from None


def angstrom(value: Any, argument: str = "wavelength") -> np.ndarray:
    """Return wavelengths in Angstrom; frequencies and photon energies are converted too.

    Examples
    --------
    >>> from astropy import units
    >>> angstrom([500.0, 600.0] * units.nm)
    array([5000., 6000.])
    """
    return convert(value, units.AA, argument, units.spectral())


def years(value: Any, argument: str) -> np.ndarray:
    """Return times in yr.

    Examples
    --------
    >>> from astropy import units
    >>> years(0.5 * units.Gyr, "edges")
    array(5.e+08)
    """
    return convert(value, units.yr, argument)


def solar_per_angstrom(value: Any, wavelength: np.ndarray, argument: str) -> np.ndarray:
    """Return luminosity densities in Lsun/Å, also from luminosities per unit frequency.

    Parameters
    ----------
    value
        Luminosity densities, [..., m]; those per solar mass formed may have that unit too.
    wavelength
        Wavelengths in Angstrom, [m].
    argument
        Name of the argument, for the message.

    Examples
    --------
    >>> from astropy import units
    >>> solar_per_angstrom([2.0] * units.Lsun / units.nm, np.array([5000.0]), "incident")
    array([0.2])
    """
    equivalencies = units.spectral_density(wavelength * units.AA)
    return convert(_of_a_solar_mass(value), _LUMINOSITY_DENSITY, argument, equivalencies)


def solar_luminosities(value: Any, argument: str) -> np.ndarray:
    """Return luminosities in Lsun; those per solar mass formed may have that unit too.

    Examples
    --------
    >>> from astropy import units
    >>> solar_luminosities([3.828e33] * units.erg / units.s, "line_luminosities").round(3)
    array([1.])
    """
    return convert(_of_a_solar_mass(value), units.Lsun, argument)


def _of_a_solar_mass(value: Any) -> Any:
    """Return luminosities per solar mass as those of one solar mass."""
    unit = getattr(value, "unit", None)
    luminosities = (units.Lsun, units.Lsun / units.AA, units.Lsun / units.Hz)
    if unit is not None and any(unit.is_equivalent(each / units.Msun) for each in luminosities):
        return units.Quantity(value) * units.Msun
    return value


def microjansky(
    value: Any, error: Any, pivots: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return flux densities and their errors in µJy.

    Parameters
    ----------
    value, error
        Measurements and their 1-sigma errors, [n, bands]. Plain numbers are in µJy. Quantities are
        flux densities per frequency or wavelength, or magnitudes with a zero-point, as
        ``astropy.units.ABmag``, whose errors are in ``mag``. Masked values become NaN.
    pivots
        Pivot wavelengths of the bands in Angstrom, [bands], needed for units per wavelength.

    Raises
    ------
    SedumError
        If only one has a unit, or a unit is no flux density.

    Examples
    --------
    >>> from astropy import units
    >>> flux, error = microjansky([[23.9]] * units.ABmag, [[0.1]] * units.mag)
    >>> flux.round(3).item(), error.round(3).item()
    (1.0, 0.092)
    """
    value, error = _filled(value), _filled(error)
    units_of = getattr(value, "unit", None), getattr(error, "unit", None)
    if units_of == (None, None):
        return np.array(value, float), np.array(error, float)
    if None in units_of:
        name, other = ("flux", "error") if units_of[0] is None else ("error", "flux")
        raise SedumError(f"{name}: it has no unit, but {other} has {units_of[other == 'error']}")
    around = [] if pivots is None else units.spectral_density(pivots * units.AA)
    flux = _flux("flux", value, around)
    if isinstance(units_of[0], units.function.FunctionUnitBase):
        return flux, np.abs(flux) * convert(error, units.mag, "error") * np.log(10) / 2.5
    return flux, _flux("error", error, around)


def _filled(value: Any) -> Any:
    """Return the values with NaN where they are masked."""
    mask = getattr(value, "mask", None)
    if mask is None or not np.any(mask):
        return getattr(value, "unmasked", value)
    if hasattr(value, "unmasked"):
        return np.where(mask, np.nan, value.unmasked)
    return value.astype(float).filled(np.nan)


def _flux(name: str, value: Any, around: Any) -> np.ndarray:
    unit = value.unit
    if unit == units.mag:
        raise SedumError(f"{name}: magnitudes without a zero-point; use astropy.units.ABmag")
    try:
        return np.array(units.Quantity(value, subok=True).to_value(units.uJy, around), float)
    except units.UnitsError:
        pass
    per_wavelength = unit.physical_type == "spectral flux density wav"
    remedy = "; name the filters, whose wavelengths are needed" if per_wavelength else ""
    raise SedumError(f"{name}: cannot convert {unit} to uJy{remedy}")


def with_unit(values: np.ndarray, unit: str, wanted: bool) -> np.ndarray:
    """Return numbers as an astropy quantity where that is wanted, and as they are elsewhere.

    Parameters
    ----------
    values
        Numbers in ``unit``.
    unit
        The unit as astropy names it, which may be logarithmic; empty without a unit.
    wanted
        Whether to return a quantity.

    Examples
    --------
    >>> with_unit(np.array([1.0, 2.0]), "uJy", True)
    <Quantity [1., 2.] uJy>
    """
    return units.Quantity(values, unit, subok=True) if wanted else values
