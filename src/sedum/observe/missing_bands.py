"""Which bands a galaxy lacks, apart from what its survey lacks by itself."""

from __future__ import annotations

import numpy as np

from sedum import config

__all__ = ["MissingBands"]


class MissingBands:
    """Bands missing at random, band dropout in some galaxies, and patterns of missing bands.

    Each band is missing at the rate of the run file. A fraction of the galaxies has band dropout:
    each has its own rate, drawn evenly between 0 and 1, so that every number of bands and every
    combination of them is trained for. Patterns drop given bands together, in their share of
    the galaxies.

    Parameters
    ----------
    bands
        Names of the bands, in order.
    spec
        How bands are missing.
    """

    def __init__(self, bands: list[str], spec: config.MissingSettings):
        self._spec = spec
        self._absent = np.array(
            [[b in pattern.absent for b in bands] for pattern in spec.patterns]
            + [[False] * len(bands)]
        )
        fractions = [pattern.fraction for pattern in spec.patterns]
        self._fractions = np.array([*fractions, max(1 - sum(fractions), 0.0)])

    def draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return which bands are there, [n, bands]."""
        bands = self._absent.shape[1]
        rate: float | np.ndarray = self._spec.rate
        if self._spec.band_dropout > 0:
            reduced = rng.random((n, 1)) < self._spec.band_dropout
            rate = np.where(reduced, rng.random((n, 1)), self._spec.rate)
        there = rng.random((n, bands), np.float32) >= rate
        if len(self._absent) > 1:
            fractions = self._fractions / self._fractions.sum()
            there &= ~self._absent[rng.choice(len(fractions), n, p=fractions)]
        return there
