"""Arguments as plain numbers or as astropy quantities.

Plain numbers are in the unit that sedum documents. Quantities, and table columns with a unit, are
converted to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy import units

from sedum.errors import SedumError

__all__ = ["angstrom", "convert", "solar_per_angstrom", "years"]

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
    if "solMass" in str(getattr(value, "unit", "")):
        value = units.Quantity(value) * units.Msun
    equivalencies = units.spectral_density(wavelength * units.AA)
    return convert(value, _LUMINOSITY_DENSITY, argument, equivalencies)
