"""Which galaxies of a catalogue the simulations could have made."""

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
    """Search mock galaxies to compare with, where typicality or verification is asked for.

    This takes minutes: whoever fits a catalogue part by part does it once.

    Parameters
    ----------
    posterior, model
        The estimator and its forward model.
    output
        The section of the run file.
    show_progress
        Show a progress bar.
    """
    if output.typicality is None and output.verify is None:
        return None
    spec = output.typicality or TypicalitySettings()
    return Typicality(posterior, model, spec.galaxies, show_progress)


class TypicalityColumns:
    """Keeps the columns ``typicality`` and ``in_distribution`` while a catalogue is fitted.

    Parameters
    ----------
    typicality
        The mock galaxies to compare with.
    output
        The section of the run file, for the level.
    rows
        The number of rows.
    """

    def __init__(self, typicality: Typicality, output: OutputSettings, rows: int):
        self._level = (output.typicality or TypicalitySettings()).level
        self._typicality = typicality
        self._values = np.full(rows, np.nan)

    def note(self, seen: Photometry, at: np.ndarray, keys: np.ndarray) -> None:
        """Note the typicality of some galaxies in their rows; ``keys`` fix their search."""
        self._values[at] = self._typicality(seen, keys)

    def into(self, table: Table) -> None:
        """Add the columns; rows that were not fitted are not in the distribution."""
        table["typicality"] = self._values
        table["in_distribution"] = self._values > self._level
