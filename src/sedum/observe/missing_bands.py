"""Which bands a galaxy lacks, apart from what its survey lacks by itself."""

from __future__ import annotations

import numpy as np

from sedum import config

__all__ = ["MissingBands"]


class MissingBands:
    """Bands dropped at random, galaxies thinned of any share of their bands, and patterns.

    Each band is missing at the rate of the run file. A share of the galaxies is thinned: each
    has its own rate, drawn evenly between 0 and 1, so that every number of bands and every
    combination of them is trained for. Patterns drop given bands together, in their share of
    the galaxies.

    Parameters
    ----------
    bands
        Names of the bands, in order.
    spec
        How bands are missing.
    """

    def __init__(self, bands: list[str], spec: config.Missing):
        self._spec = spec
        self._absent = np.array(
            [[b in pattern.absent for b in bands] for pattern in spec.patterns]
            + [[False] * len(bands)]
        )
        shares = [pattern.share for pattern in spec.patterns]
        self._shares = np.array([*shares, max(1 - sum(shares), 0.0)])

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return which bands are there, [n, bands]."""
        bands = self._absent.shape[1]
        rate: float | np.ndarray = self._spec.rate
        if self._spec.thinned > 0:
            thinned = rng.random((n, 1)) < self._spec.thinned
            rate = np.where(thinned, rng.random((n, 1)), self._spec.rate)
        there = rng.random((n, bands), np.float32) >= rate
        if len(self._absent) > 1:
            shares = self._shares / self._shares.sum()
            there &= ~self._absent[rng.choice(len(shares), n, p=shares)]
        return there
