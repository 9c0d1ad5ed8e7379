"""Grids of stars and gas on the axes of the forward model.

The tables of a library are averaged over cells of wavelength and bins of age once, and stored in
the user's cache folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from sedum.config.model_section import LIBRARIES
from sedum.errors import SedumError
from sedum.galaxies.axis import CELLS_PER_LYMAN, WavelengthAxis
from sedum.galaxies.stellar_grids import stellar_libraries as libraries
from sedum.galaxies.stellar_grids.published_tables import (
    AGE_EDGES,
    GasTables,
    Tables,
    bin_average_weights,
    ionising_photons,
)
from sedum.storage import array_digest, atomic_path, cache_folder, digest

__all__ = ["StellarGrid", "cached_arrays", "grid_axis", "list_grids", "load_grid"]

#: Version of the cached files; it increases when their meaning changes.
FORMAT = 2

#: Wavelength range of grids in Angstrom: from the He II edge to one millimetre.
LOW, HIGH = 228.0, 1e7


def grid_axis(fineness: int = CELLS_PER_LYMAN) -> WavelengthAxis:
    """Return the wavelength axis of a grid.

    Parameters
    ----------
    fineness
        Number of cells between the Lyman limit and Lyman alpha.

    Examples
    --------
    >>> grid_axis().edges[[0, -1]].round(-1)
    array([2.300000e+02, 1.001992e+07])
    """
    return WavelengthAxis.covering(LOW, HIGH, fineness)


@dataclass(frozen=True)
class StellarGrid:
    """Light of stars and gas per solar mass formed, by age and metallicity.

    Attributes
    ----------
    name
        Name of the library.
    axis
        The wavelength axis.
    limits
        Wavelength range of the library in Angstrom.
    age_edges
        Edges of the age bins in yr, [ages + 1]. The young ages of the nebular tables are the first
        bins.
    log_z
        log10 of the metallicity (mass fraction), [Z].
    log_u
        log10 of the ionisation parameter, [U].
    stellar
        Stellar spectra in Lsun/Å/Msun, [Z, ages, cells].
    nebular
        Nebular continuum and lines in Lsun/Å/Msun, [Z, U, young ages, cells].
    surviving
        Mass in living stars per mass formed, [Z, ages].
    ionising
        Photons that ionise hydrogen, per second and Msun, [Z, ages].
    line_names, line_wavelengths
        Names and wavelengths in Angstrom of the nebular lines, [lines].
    lines
        Luminosities of the lines in Lsun/Msun, [Z, U, young ages, lines].
    line_continuum
        Nebular continuum at the lines in Lsun/Å/Msun, [Z, U, young ages, lines].
    about
        Stars, gas, initial mass function, licence and source, as text.
    digest
        Hash of the content.

    Examples
    --------
    >>> grid = load_grid("bc03_miles")
    >>> grid.age_edges[:3].round(-3)
    array([      0., 1122000., 1413000.])
    """

    name: str
    axis: WavelengthAxis
    limits: tuple[float, float]
    age_edges: np.ndarray
    log_z: np.ndarray
    log_u: np.ndarray
    stellar: np.ndarray
    nebular: np.ndarray
    surviving: np.ndarray
    ionising: np.ndarray
    line_names: list[str]
    line_wavelengths: np.ndarray
    lines: np.ndarray
    line_continuum: np.ndarray
    about: dict[str, str]
    digest: str


def load_grid(
    name: str = "bc03_miles", fineness: int = CELLS_PER_LYMAN, age_splits: int = 1
) -> StellarGrid:
    """Load a grid. The first use of a library converts it, which takes about ten seconds.

    Parameters
    ----------
    name
        A library that :func:`list_grids` names, or the path of a grid's HDF5 file.
    fineness
        Number of wavelength cells between the Lyman limit and Lyman alpha.
    age_splits
        Number of parts into which each age bin is split; values above one test convergence.

    Raises
    ------
    SedumError
        If the source is not installed, is damaged or lacks something; the message names it.

    Examples
    --------
    >>> grid = load_grid("bc03_miles")
    >>> len(grid.log_z), grid.stellar.shape[:2]
    (7, (7, 42))
    """
    axis = grid_axis(fineness)
    key = {
        "source": libraries.signature(name),
        "axis": (axis.first, axis.size, axis.step),
        "ages": age_splits,
    }
    stem = Path(name).stem
    arrays, metadata = cached_arrays(
        stem, key, lambda: _rebin(libraries.read(name), axis, age_splits)
    )
    about = {k: v for k, v in metadata.items() if k not in ("content", "key", "line_names")}
    return StellarGrid(
        name=stem,
        axis=axis,
        limits=tuple(arrays.pop("limits").tolist()),
        line_names=json.loads(metadata["line_names"]),
        about=about,
        digest=metadata["content"],
        **arrays,
    )


def _rebin(tables: Tables, axis: WavelengthAxis, splits: int) -> dict[str, Any]:
    """Average the tables of a library over cells and age bins."""
    edges = split_bins(AGE_EDGES, splits)
    mean = bin_average_weights(tables.ages, edges)
    stellar = np.stack([axis.average(tables.wavelength, mean @ s) for s in tables.stellar])
    photons = ionising_photons(tables.wavelength, tables.stellar) @ mean.T
    gas = tables.gas
    if gas is None:
        # The gas of another library, scaled to the ionising photons of these stars.
        gas = _scaled_gas(tables, libraries.read("bc03_miles"))
    nebular = axis.average(gas.wavelength, gas.continuum)
    cells = axis.cell_of(gas.line_wavelengths)
    for k in np.flatnonzero((cells >= 0) & (cells < axis.size)):
        nebular[..., cells[k]] += gas.lines[..., k] / axis.widths[cells[k]]
    beneath = _at(gas.line_wavelengths, gas.wavelength, gas.continuum)
    young = [np.repeat(a, splits, axis=2).astype(np.float32) for a in (nebular, gas.lines, beneath)]
    return {
        "limits": np.array([tables.wavelength[0], tables.wavelength[-1]]),
        "age_edges": edges,
        "log_z": np.log10(tables.metallicities),
        "log_u": np.asarray(gas.log_u, float),
        "stellar": stellar.astype(np.float32),
        "nebular": young[0],
        "surviving": (tables.surviving @ mean.T).astype(np.float32),
        "ionising": photons,
        "line_wavelengths": np.asarray(gas.line_wavelengths, float),
        "lines": young[1],
        "line_continuum": young[2],
        "metadata": {**tables.about, "line_names": json.dumps(gas.line_names)},
    }


def split_bins(edges: np.ndarray, splits: int) -> np.ndarray:
    """Split each bin into equal parts in time."""
    parts = np.arange(splits) / splits
    inner = edges[:-1, None] + np.diff(edges)[:, None] * parts
    return np.append(inner.ravel(), edges[-1])


def _at(points: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate tables [..., m] on x [m] to points [k]: [..., k]."""
    i = np.clip(np.searchsorted(x, points) - 1, 0, len(x) - 2)
    weight = np.clip((points - x[i]) / (x[i + 1] - x[i]), 0, 1)
    return y[..., i] * (1 - weight) + y[..., i + 1] * weight


def _scaled_gas(tables: Tables, donor: Tables) -> GasTables:
    """Return the nebular emission of another library, scaled by the ionising photons.

    The emission per ionising photon is interpolated in metallicity, and constant beyond the last
    values.
    """
    gas = donor.gas
    assert gas is not None
    edges = gas.age_edges
    donated = ionising_photons(donor.wavelength, donor.stellar)
    donated = donated @ bin_average_weights(donor.ages, edges).T
    photons = ionising_photons(tables.wavelength, tables.stellar)
    photons = photons @ bin_average_weights(tables.ages, edges).T
    z = np.clip(tables.metallicities, donor.metallicities[0], donor.metallicities[-1])
    at = np.interp(np.log(z), np.log(donor.metallicities), np.arange(len(donor.metallicities)))
    low = np.minimum(at.astype(int), len(donor.metallicities) - 2)
    weight = at - low

    def scaled(values: np.ndarray) -> np.ndarray:
        out = []
        for k in range(len(z)):
            per_photon = [values[i] / donated[i][None, :, None] for i in (low[k], low[k] + 1)]
            mixed = (1 - weight[k]) * per_photon[0] + weight[k] * per_photon[1]
            out.append(mixed * photons[k][None, :, None])
        return np.stack(out)

    return GasTables(
        age_edges=edges,
        log_u=gas.log_u,
        wavelength=gas.wavelength,
        continuum=scaled(gas.continuum),
        line_names=gas.line_names,
        line_wavelengths=gas.line_wavelengths,
        lines=scaled(gas.lines),
    )


def cached_arrays(
    stem: str, key: dict[str, Any], build: Callable[[], dict[str, Any]]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return arrays from the cache, or compute them and store them there.

    A file that is damaged, or was made for another ``key``, is computed again. Writing is atomic,
    so several processes may do so at the same time.

    Parameters
    ----------
    stem
        Start of the file's name.
    key
        Everything that the arrays depend on.
    build
        Function that computes the arrays. Text under ``metadata`` is stored beside them.

    Returns
    -------
    arrays : dict
        Arrays by name.
    metadata : dict
        Text by name. ``content`` is the hash of the arrays.

    Raises
    ------
    SedumError
        If the cache folder cannot be written.

    Examples
    --------
    >>> arrays, metadata = cached_arrays("example", {"n": 3}, lambda: {"x": np.arange(3)})
    >>> arrays["x"]
    array([0, 1, 2])
    """
    path = cache_folder() / f"{stem}-{digest({**key, 'format': FORMAT})[:12]}.safetensors"
    cached = _read_arrays(path)
    if cached is not None:
        return cached
    built = build()
    metadata = {k: str(v) for k, v in built.pop("metadata", {}).items()}
    arrays = {name: np.ascontiguousarray(a) for name, a in built.items()}
    metadata["content"] = array_digest(*(arrays[name] for name in sorted(arrays)))
    metadata["key"] = json.dumps(key, sort_keys=True, default=str)
    try:
        with atomic_path(path) as temporary:
            sealed = {**metadata, "sha256": _seal(arrays, metadata)}
            temporary.write_bytes(save(arrays, metadata=sealed))
    except SedumError as error:
        raise SedumError(
            f"{str(error).partition(';')[0]}; set SEDUM_CACHE to a folder that can be written"
        ) from None
    return arrays, metadata


def _read_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Return the arrays of a cached file, or None if it is missing or damaged."""
    try:
        with safe_open(str(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            metadata = dict(file.metadata() or {})
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError):
        return None
    # Names and metadata are part of the seal: damaged ones are made again, not looked up.
    if metadata.pop("sha256", None) != _seal(arrays, metadata):
        return None
    return arrays, metadata


def _seal(arrays: dict[str, np.ndarray], metadata: dict[str, str]) -> str:
    values = {name: array_digest(array) for name, array in arrays.items()}
    return digest([values, metadata])


def list_grids(*paths: str | Path) -> list[dict[str, str]]:
    """Describe the stellar grids that a run file can name under ``model.stellar``.

    Parameters
    ----------
    *paths
        HDF5 files of further grids to describe.

    Returns
    -------
    list of dict
        Name, stars, gas, initial mass function, licence and axes of each grid, as text.

    Raises
    ------
    SedumError
        If a file is not a grid.

    Examples
    --------
    >>> [grid["name"] for grid in list_grids()]
    ['bc03_miles', 'popstar']
    """
    return [libraries.describe(name) for name in (*LIBRARIES, *map(str, paths))]
