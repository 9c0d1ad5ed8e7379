"""The forward model: photometry and spectra of galaxies from their parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sedum._lazy import attach

if TYPE_CHECKING:
    from sedum.galaxies.histories.tabulated import TabulatedHistories as TabulatedHistories
    from sedum.galaxies.model import GalaxyModel as GalaxyModel
    from sedum.galaxies.simulator import Simulator as Simulator
    from sedum.galaxies.stellar_grids.grid import list_grids as list_grids
    from sedum.galaxies.stellar_grids.grid_files import write_grid as write_grid

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "GalaxyModel": "sedum.galaxies.model",
        "Simulator": "sedum.galaxies.simulator",
        "TabulatedHistories": "sedum.galaxies.histories.tabulated",
        "write_grid": "sedum.galaxies.stellar_grids.grid_files",
        "list_grids": "sedum.galaxies.stellar_grids.grid",
    },
)
