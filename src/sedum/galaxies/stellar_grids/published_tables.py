"""A library of stellar populations as its authors publish it, before rebinning."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sedum.galaxies.axis import LYMAN_LIMIT
from sedum.galaxies.constants import SOLAR_LUMINOSITY

__all__ = ["AGE_EDGES", "GasTables", "Tables", "bin_average_weights", "ionising_photons"]

#: Edges of the age bins in yr: 0.1 dex wide as in the Cloudy models, except the first, from 0.
AGE_EDGES = np.concatenate([[0.0], 10 ** (6.05 + 0.1 * np.arange(42))])

#: h c in erg Å: the energy of a photon times its wavelength.
_HC = 1.98644586e-8


@dataclass(frozen=True)
class GasTables:
    """Nebular emission around young stars, per solar mass formed.

    Attributes
    ----------
    age_edges
        Edges in yr of the age bins over which the emission is averaged, [young + 1]: the first of
        :data:`AGE_EDGES`.
    log_u
        log10 of the ionisation parameter, [U].
    wavelength
        Wavelengths in Angstrom, [m].
    continuum
        Nebular continuum in Lsun/Å, [Z, U, young, m].
    line_names
        Names in the notation of Cloudy, such as ``"O  3  5006.84A"``, [lines].
    line_wavelengths
        Wavelengths of the lines in Angstrom, [lines].
    lines
        Luminosities of the lines in Lsun, [Z, U, young, lines].

    Examples
    --------
    >>> gas = GasTables(
    ...     age_edges=AGE_EDGES[:2],
    ...     log_u=np.array([-2.0]),
    ...     wavelength=np.array([1000.0, 1e4]),
    ...     continuum=np.ones((1, 1, 1, 2)),
    ...     line_names=["H  1  6562.80A"],
    ...     line_wavelengths=np.array([6562.80]),
    ...     lines=np.ones((1, 1, 1, 1)),
    ... )
    >>> gas.lines.shape
    (1, 1, 1, 1)
    """

    age_edges: np.ndarray
    log_u: np.ndarray
    wavelength: np.ndarray
    continuum: np.ndarray
    line_names: list[str]
    line_wavelengths: np.ndarray
    lines: np.ndarray


@dataclass(frozen=True)
class Tables:
    """Simple stellar populations, per solar mass formed.

    Attributes
    ----------
    name
        Name of the library.
    wavelength
        Wavelengths in Angstrom, increasing, [m].
    ages
        Ages in yr, increasing, [ages].
    metallicities
        Mass fractions, increasing, [Z].
    stellar
        Spectra in Lsun/Å, [Z, ages, m].
    surviving
        Mass in living stars per mass formed, [Z, ages].
    gas
        Nebular emission, or None if the library has none.
    about
        Texts for users: ``stars``, ``gas``, ``imf``, ``licence``, ``source``, ``surviving``.

    Examples
    --------
    >>> tables = Tables(
    ...     name="mine",
    ...     wavelength=np.array([1000.0, 1e4]),
    ...     ages=np.array([1e6, 1e9]),
    ...     metallicities=np.array([0.02]),
    ...     stellar=np.ones((1, 2, 2)),
    ...     surviving=np.ones((1, 2)),
    ... )
    >>> tables.gas is None
    True
    """

    name: str
    wavelength: np.ndarray
    ages: np.ndarray
    metallicities: np.ndarray
    stellar: np.ndarray
    surviving: np.ndarray
    gas: GasTables | None = None
    about: dict[str, str] = field(default_factory=dict)


def bin_average_weights(ages: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the matrix that averages a function of age over each bin, [bins, ages].

    The function is linear between the ``ages`` and constant beyond them. Stars in a bin formed at a
    constant rate, so the matrix integrates a simple stellar population over the bin.

    Parameters
    ----------
    ages
        Ages in yr, increasing, [ages].
    edges
        Edges of the bins in yr, [bins + 1].

    Examples
    --------
    >>> bin_average_weights(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]))
    array([[0.5, 0.5, 0. ],
           [0. , 0.5, 0.5]])
    """
    # Constant beyond the ends: the same ages, with copies of the outermost at the edges.
    inner = ages
    first, last = min(edges[0], inner[0]), max(edges[-1], inner[-1])
    ages = np.concatenate([[first], inner, [last]])

    def antiderivative(x: np.ndarray) -> np.ndarray:
        i = np.clip(np.searchsorted(ages, x, side="right") - 1, 0, len(ages) - 2)
        step = ages[i + 1] - ages[i]
        d = x - ages[i]
        full = np.zeros((len(ages), len(ages)))
        half = np.diff(ages) / 2
        for k in range(1, len(ages)):
            full[k] = full[k - 1]
            full[k, k - 1 : k + 1] += half[k - 1]
        rows = full[i].copy()
        at = np.arange(len(x))
        bend = np.divide(d**2, 2 * step, out=np.zeros_like(d), where=step > 0)
        rows[at, i] += d - bend
        rows[at, i + 1] += bend
        return rows

    means = np.diff(antiderivative(edges), axis=0) / np.diff(edges)[:, None]
    weights = means[:, 1:-1].copy()
    weights[:, 0] += means[:, 0]
    weights[:, -1] += means[:, -1]
    return weights


def ionising_photons(wavelength: np.ndarray, spectra: np.ndarray) -> np.ndarray:
    """Return the number of photons per second that ionise hydrogen, [...].

    Parameters
    ----------
    wavelength
        Wavelengths in Angstrom, [m].
    spectra
        Spectra in Lsun/Å, [..., m].

    Examples
    --------
    >>> wavelength = np.array([300.0, 900.0, 2000.0])
    >>> float(np.log10(ionising_photons(wavelength, np.array([1.0, 1.0, 1.0]))).round(1))
    46.9
    """
    blue = wavelength <= LYMAN_LIMIT
    edge = np.minimum(LYMAN_LIMIT, wavelength[-1])
    count = int(blue.sum())
    if count == 0 or count == len(wavelength):
        used, light = wavelength[blue], spectra[..., blue]
    else:
        weight = (edge - wavelength[count - 1]) / (wavelength[count] - wavelength[count - 1])
        at_edge = spectra[..., count - 1] * (1 - weight) + spectra[..., count] * weight
        # The spectrum drops steeply at the edge, so the value below it is more accurate.
        at_edge = np.maximum(at_edge, spectra[..., count - 1])
        used = np.append(wavelength[blue], edge)
        light = np.concatenate([spectra[..., blue], at_edge[..., None]], axis=-1)
    return np.trapezoid(light * used, used, axis=-1) * SOLAR_LUMINOSITY / _HC
