"""Dust attenuation curves, A(λ) / A(V)."""

from __future__ import annotations

import numpy as np

__all__ = ["attenuation_curve", "calzetti"]


def calzetti(wavelength: np.ndarray) -> np.ndarray:
    """Return A(λ)/A(V) of Calzetti et al. (2000), eq. 4, with R_V = 4.05.

    Below 0.12 µm, where the law is not defined, it goes on as the power λ^-0.77 that the
    bagpipes code uses, so that the two can be compared; beyond 2.2 µm the infrared branch
    goes on to zero.

    Parameters
    ----------
    wavelength
        Rest wavelength in Angstrom.
    """
    r_v = 4.05
    micron = np.asarray(wavelength, float) / 1e4

    def blue(m: np.ndarray | float) -> np.ndarray | float:
        return 2.659 * (-2.156 + 1.509 / m - 0.198 / m**2 + 0.011 / m**3) + r_v

    red = 2.659 * (-1.857 + 1.040 / micron) + r_v
    k = np.where(micron < 0.63, blue(np.maximum(micron, 0.12)), np.maximum(red, 0))
    k = np.where(micron < 0.12, blue(0.12) * (np.minimum(micron, 0.12) / 0.12) ** -0.77, k)
    return k / r_v


def attenuation_curve(name: str, wavelength: np.ndarray) -> np.ndarray | None:
    """Return the curve that a run file names, or None for no dust."""
    return calzetti(wavelength) if name == "calzetti" else None
