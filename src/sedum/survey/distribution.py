"""Which galaxies of a catalogue the simulations could have made."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from sedum.check.typicality import Typicality
from sedum.config import Output, Typical
from sedum.galaxies.simulator import Simulator
from sedum.infer.posterior import Posterior
from sedum.photometry.observed import Photometry

__all__ = ["InDistribution"]


class InDistribution:
    """Keeps the columns ``typicality`` and ``in_distribution`` while a catalogue is fitted.

    Parameters
    ----------
    posterior, model
        The estimator and its forward model.
    spec
        The level, and how many mock galaxies to compare with.
    rows
        The number of rows.
    show_progress
        Show a progress bar while the mock galaxies are searched.
    typicality
        The mock galaxies, where an earlier part of the catalogue has them already.
    """

    def __init__(
        self,
        posterior: Posterior,
        model: Simulator,
        spec: Typical,
        rows: int,
        show_progress: bool = False,
        typicality: Typicality | None = None,
    ):
        self._level = spec.level
        self.typicality = typicality or Typicality(posterior, model, spec.galaxies, show_progress)
        self._values = np.full(rows, np.nan)

    @classmethod
    def asked_for(
        cls,
        posterior: Posterior,
        model: Simulator,
        output: Output,
        rows: int,
        show_progress: bool = False,
        typicality: Typicality | None = None,
    ) -> InDistribution | None:
        """Return one where the run file asks for typicality or verification, else None."""
        if output.typicality is None and output.verify is None:
            return None
        return cls(
            posterior, model, output.typicality or Typical(), rows, show_progress, typicality
        )

    def note(self, seen: Photometry, at: np.ndarray, keys: np.ndarray) -> None:
        """Note the typicality of some galaxies in their rows; ``keys`` fix their search."""
        self._values[at] = self.typicality(seen, keys)

    def into(self, table: Table) -> None:
        """Add the columns; rows that were not fitted are not in the distribution."""
        table["typicality"] = self._values
        table["in_distribution"] = self._values > self._level
