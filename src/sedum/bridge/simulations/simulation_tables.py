"""Simulated galaxies from any table with magnitudes or fluxes at 10 pc."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sedum.bridge.simulations.simulated_galaxies import SimulatedGalaxies
from sedum.config.bridge_file import TableSimulation
from sedum.photometry.units import MAGNITUDES, flux_to_magnitude, linear_scale
from sedum.tables.read import read_table
from sedum.tables.values import numeric

__all__ = ["read_simulation_table"]


def read_simulation_table(spec: TableSimulation, bands: list[str]) -> SimulatedGalaxies:
    """Read a table of simulated galaxies.

    Parameters
    ----------
    spec
        Settings that name the columns.
    bands
        Short names of all bands; a band without a column is NaN.

    Returns
    -------
    SimulatedGalaxies
        The galaxies. Every numeric column that is no band is a property under its own name.

    Raises
    ------
    SedumError
        If the file or a column is absent, or a band holds no magnitude at all.
    """
    from sedum.errors import SedumError

    table = read_table(spec.file, spec.extension)
    name = spec.name or Path(spec.file).stem
    magnitude = np.full((len(table), len(bands)), np.nan)
    for band, column in spec.columns.items():
        values = numeric(table, column, spec.file, f"simulations.columns.{band}")
        if spec.unit in MAGNITUDES:
            # Sentinels such as 99 or -999 mean no light; no galaxy is as bright or as faint.
            if spec.missing_beyond is not None:
                values = np.where(np.abs(values) >= spec.missing_beyond, np.nan, values)
        else:
            values = flux_to_magnitude(values * linear_scale(spec.unit, None, None))
        values = np.where(np.isfinite(values), values, np.nan)
        if np.isnan(values).all():
            raise SedumError(
                f"{spec.file}: column {column!r} (simulations.columns.{band}) holds no magnitude; "
                f"is its unit {spec.unit!r}?"
            )
        magnitude[:, bands.index(band)] = values
    properties = {
        prop: numeric(table, column, spec.file, f"simulations.properties.{prop}")
        for prop, column in spec.properties.items()
    }
    used = {*spec.columns.values(), *properties, *spec.properties.values()}
    for column in table.colnames:
        if column not in used and table[column].dtype.kind in "fiu" and table[column].ndim == 1:
            properties[column] = numeric(table, column, spec.file, column)
    return SimulatedGalaxies.make(name, bands, magnitude, properties, about={"file": spec.file})
