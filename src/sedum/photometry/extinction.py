"""Extinction curves, and the correction of fluxes for the dust of the Milky Way."""

from __future__ import annotations

import numpy as np
from astropy import units

__all__ = ["R_V", "extinction", "foreground_coefficient"]

#: Ratio of total to selective extinction, A(V) / E(B-V), of the laws of the Milky Way.
R_V = 3.1


def extinction(name: str, wavelength: np.ndarray) -> np.ndarray:
    """Return A(λ)/A(V) of an extinction curve of the ``dust_extinction`` package.

    The curves are ``smc``, the bar of the Small Magellanic Cloud (Gordon et al. 2003),
    ``milky_way`` or ``cardelli`` (Cardelli, Clayton & Mathis 1989) and ``fitzpatrick`` (Fitzpatrick
    1999), the last two with R_V = 3.1. Outside the wavelengths for which a curve is defined it
    continues as a power law with the slope at its end.

    Parameters
    ----------
    name
        Name of the curve.
    wavelength
        Wavelengths in Angstrom, in any shape.

    Returns
    -------
    ndarray
        A(λ)/A(V), in the shape of ``wavelength``.

    Examples
    --------
    >>> extinction("smc", np.array([1500.0, 5500.0])).round(1)
    array([4.8, 1. ])
    """
    from dust_extinction.averages import G03_SMCBar
    from dust_extinction.parameter_averages import CCM89, F99

    match name:
        case "smc":
            curve = G03_SMCBar()
        case "fitzpatrick":
            curve = F99(Rv=R_V)
        case _:
            curve = CCM89(Rv=R_V)
    low, high = curve.x_range  # 1 / µm
    low, high = low * 1.0001, high * 0.9999
    x = 1e4 / np.asarray(wavelength, float)
    inside = np.asarray(curve(np.clip(x, low, high) / units.micron), float)
    ends = np.array([low, low * 1.05, high / 1.05, high])
    value = np.asarray(curve(ends / units.micron), float)
    red = np.log(value[1] / value[0]) / np.log(ends[1] / ends[0])
    blue = np.log(value[3] / value[2]) / np.log(ends[3] / ends[2])
    slope = np.where(x < low, red, np.where(x > high, blue, 0.0))
    return inside * (x / np.clip(x, low, high)) ** slope


def foreground_coefficient(law: str, pivot: float) -> float:
    """Return A(λ)/E(B-V) of the Milky Way at a wavelength.

    Parameters
    ----------
    law
        ``"fitzpatrick"`` or ``"cardelli"``.
    pivot
        Pivot wavelength of the band in Angstrom.

    Examples
    --------
    >>> round(foreground_coefficient("fitzpatrick", 6176.0), 2)
    2.58
    """
    return R_V * float(extinction(law, np.array([pivot]))[0])
