"""Posteriors that pile up at a bound of the prior, beyond which the true value may lie."""

from __future__ import annotations

import numpy as np
from astropy.table import Table

from sedum.priors.joint import Prior

__all__ = ["PriorBounds"]

#: Outermost fraction of the prior, and the fraction of the draws that must lie there.
_OUTERMOST, _PILED = 0.01, 0.2
#: Number of draws that are used, which gives the fraction to 0.03.
_DRAWS = 200


class PriorBounds:
    """Collects the column ``at_edge`` while a catalogue is fitted.

    A parameter is at an edge if a fifth of its draws lie in the outermost hundredth of the
    probability of the prior, at one end: twenty times more than without data. A posterior that
    reaches a bound without piling up there is not at an edge. If the prior depends on other
    parameters, the bounds are those for the parameters of each draw.

    Parameters
    ----------
    prior
        The prior of the parameters.
    rows
        Number of rows of the catalogue.
    """

    def __init__(self, prior: Prior, rows: int):
        self._prior = prior
        self._names = [f"{name} {end}" for name in prior.free for end in ("low", "high")]
        self._piled = np.zeros((rows, len(self._names)), bool)

    def note(self, draws: np.ndarray, at: np.ndarray) -> None:
        """Store which parameters of draws [n, draws, d] pile up, for the rows ``at``, [n]."""
        some = draws[:, :: max(draws.shape[1] // _DRAWS, 1)]
        unit = self._prior.to_unit(some.reshape(-1, some.shape[-1]))
        unit = unit.reshape(*some.shape[:2], -1)
        low, high = (unit < _OUTERMOST).mean(axis=1), (unit > 1 - _OUTERMOST).mean(axis=1)
        piled = np.stack([low, high], axis=-1) >= _PILED
        self._piled[at] = piled.reshape(len(draws), -1)

    def texts(self) -> np.ndarray:
        """Return the parameters at an edge, such as ``redshift high, av low``, or "", [n]."""
        patterns, which = np.unique(self._piled, axis=0, return_inverse=True)
        words = [
            ", ".join(name for name, piled in zip(self._names, pattern, strict=True) if piled)
            for pattern in patterns
        ]
        # Without rows there is no pattern, and an empty array of texts has no type.
        return np.array(words or [""])[which.reshape(-1)]

    def into(self, table: Table) -> None:
        """Add the column to the table."""
        table["at_edge"] = self.texts()
