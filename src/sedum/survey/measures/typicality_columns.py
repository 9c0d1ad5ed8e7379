"""Columns that say whether galaxies are typical of the simulations."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from sedum.config import OutputSettings, TypicalitySettings
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.infer.verify.typicality import Typicality
from sedum.photometry.observed import Photometry

__all__ = ["TypicalityColumns", "typicality_asked_for"]


def typicality_asked_for(
    posterior: Posterior, model: Simulator, output: OutputSettings, show_progress: bool = False
) -> Typicality | None:
    """Fit mock galaxies to compare with, if typicality or verification is asked for.

    This takes minutes, so it is done once for all parts of a catalogue.

    Parameters
    ----------
    posterior, model
        The estimator and its forward model.
    output
        The section ``output`` of the run file.
    show_progress
        Show a progress bar.

    Returns
    -------
    Typicality or None
        The mock galaxies; None if they are not needed.
    """
    if output.typicality is None and output.verify is None:
        return None
    spec = output.typicality or TypicalitySettings()
    return Typicality(posterior, model, spec.galaxies, show_progress)


class TypicalityColumns:
    """Collects the columns ``typicality`` and ``in_distribution`` while a catalogue is fitted.

    Parameters
    ----------
    typicality
        The mock galaxies to compare with.
    output
        The section ``output`` of the run file, with the level.
    rows
        Number of rows of the catalogue.
    """

    def __init__(self, typicality: Typicality, output: OutputSettings, rows: int):
        self._level = (output.typicality or TypicalitySettings()).level
        self._typicality = typicality
        self._values = np.full(rows, np.nan)

    def note(self, seen: Photometry, at: np.ndarray, keys: np.ndarray) -> None:
        """Store the typicality of galaxies in rows ``at``, [n]; ``keys`` are their random seeds."""
        self._values[at] = self._typicality(seen, keys)

    def into(self, table: Table) -> None:
        """Add the columns; rows that were not fitted are not in the distribution."""
        table["typicality"] = self._values
        table["in_distribution"] = self._values > self._level
