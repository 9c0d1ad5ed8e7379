"""Planted faults: catalogues that differ from the simulations in a known way, to test checks.

Each function returns new photometry. Objects that are not galaxies of the model are returned as
noiseless fluxes, to be observed by a :class:`~sedum.observe.noise_model.NoiseModel`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sedum.photometry.filters import FilterSet
from sedum.photometry.observed import Photometry

__all__ = ["offset_band", "quasars", "stars", "swap_bands", "understate_errors"]

#: hc/k in Angstrom K, and the speed of light in km/s.
_SECOND_RADIATION, _LIGHT = 1.438776877e8, 299_792.458
#: Broad lines in Angstrom, and their rest-frame equivalent widths (Vanden Berk et al. 2001).
_LINES = {1216: 93, 1549: 24, 1909: 21, 2799: 32, 4863: 46, 6565: 195}
_LYMAN_LIMIT = 911.75


def offset_band(photometry: Photometry, band: int, magnitude: float) -> Photometry:
    """Return photometry with one band, given by its index, made fainter by some magnitudes."""
    factor = np.ones(photometry.flux.shape[1])
    factor[band] = 10 ** (-0.4 * magnitude)
    return photometry.scaled(factor)


def swap_bands(photometry: Photometry, one: int, two: int) -> Photometry:
    """Return photometry with two bands, given by their indices, exchanged."""
    order = list(range(photometry.flux.shape[1]))
    order[one], order[two] = two, one
    return photometry.of_bands(order)


def understate_errors(photometry: Photometry, factor: float) -> Photometry:
    """Return photometry whose errors are too small by a factor."""
    error = np.where(photometry.observed, photometry.error / factor, 1.0)
    return replace(photometry, error=error)


def stars(filters: FilterSet, temperature: np.ndarray) -> np.ndarray:
    """Return fluxes of black bodies at redshift zero.

    Parameters
    ----------
    filters
        The bands.
    temperature
        Temperatures in K, [n].

    Returns
    -------
    ndarray
        Flux densities per unit frequency, [n, bands], normalised to one in the last band.
    """
    wavelength = _grid(filters)
    x = _SECOND_RADIATION / (wavelength * np.asarray(temperature, float)[:, None])
    spectrum = wavelength**-3 / np.expm1(np.minimum(x, 600))
    return _observed(filters, wavelength, spectrum)


def quasars(
    filters: FilterSet, redshift: np.ndarray, slope: np.ndarray, width: float = 5000.0
) -> np.ndarray:
    """Return fluxes of power laws f_ν ∝ ν^slope with broad emission lines.

    The flux is zero below the Lyman limit. The Lyman-alpha forest is not modelled.

    Parameters
    ----------
    filters
        The bands.
    redshift
        Redshifts, [n].
    slope
        Spectral slopes, [n].
    width
        Full width at half maximum of the lines in km/s.

    Returns
    -------
    ndarray
        Flux densities per unit frequency, [n, bands], normalised to one in the last band.
    """
    wavelength = _grid(filters)
    rest = wavelength / (1 + np.asarray(redshift, float)[:, None])
    lines = np.zeros_like(rest)
    for line, equivalent in _LINES.items():
        sigma = line * width / _LIGHT / 2.3548
        height = equivalent / (sigma * np.sqrt(2 * np.pi))
        lines += height * np.exp(-0.5 * ((rest - line) / sigma) ** 2)
    power = (rest / 3000.0) ** -np.asarray(slope, float)[:, None]
    spectrum = np.where(rest > _LYMAN_LIMIT, power * (1 + lines), 0.0)
    return _observed(filters, wavelength, spectrum)


def _grid(filters: FilterSet) -> np.ndarray:
    """Return wavelengths in Angstrom over all bands that resolve broad lines."""
    low = min(f.limits[0] for f in filters)
    high = max(f.limits[1] for f in filters)
    return np.geomspace(low, high, int(np.log(high / low) / 0.002) + 2)


def _observed(filters: FilterSet, wavelength: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    flux = np.stack([f.average(wavelength, spectrum) for f in filters], axis=1)
    return flux / flux[:, -1:]
