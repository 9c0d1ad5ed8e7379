"""Extinction curves, and the correction of fluxes for the dust of the Milky Way."""

from __future__ import annotations

import numpy as np
from astropy import units

__all__ = ["R_V", "extinction", "foreground_coefficient"]

#: Total to selective extinction of the Milky Way's laws.
R_V = 3.1


def extinction(name: str, wavelength: np.ndarray) -> np.ndarray:
    """Return A(λ)/A(V) of an extinction curve of the ``dust_extinction`` package.

    ``smc`` is the bar of the Small Magellanic Cloud (Gordon et al. 2003), ``milky_way`` or
    ``cardelli`` the law of Cardelli, Clayton & Mathis (1989) and ``fitzpatrick`` that of
    Fitzpatrick (1999), both with R_V = 3.1. Beyond the wavelengths that a curve is defined for
    it goes on as a power law with the slope at its end.

    Parameters
    ----------
    name
        The curve.
    wavelength
        In Angstrom.
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
    """Return A(λ)/E(B-V) of the Milky Way at a band's pivot wavelength in Angstrom."""
    return R_V * float(extinction(law, np.array([pivot]))[0])
