"""Bands that are missing in training, in addition to those missing in the catalogue."""

from __future__ import annotations

import numpy as np

from sedum import config

__all__ = ["MissingBands"]


class MissingBands:
    """Bands missing at random, band dropout in some galaxies, and patterns of missing bands.

    Each band is missing at the rate of the run file. A fraction of the galaxies has band dropout:
    each of them has its own rate, uniform between 0 and 1, so that every number and every
    combination of bands is trained on. Patterns remove given bands together, each in its fraction
    of the galaxies.

    Parameters
    ----------
    bands
        Names of the bands, in order.
    spec
        How bands are missing.

    Examples
    --------
    >>> missing = MissingBands(["u", "g"], config.MissingSettings(rate=0.1, band_dropout=0.0))
    >>> missing.draw(1000, np.random.default_rng(1)).mean().round(1)
    np.float64(0.9)
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
        """Return which bands are present, [n, bands]."""
        bands = self._absent.shape[1]
        rate: float | np.ndarray = self._spec.rate
        if self._spec.band_dropout > 0:
            reduced = rng.random((n, 1)) < self._spec.band_dropout
            rate = np.where(reduced, rng.random((n, 1)), self._spec.rate)
        present = rng.random((n, bands), np.float32) >= rate
        if len(self._absent) > 1:
            fractions = self._fractions / self._fractions.sum()
            present &= ~self._absent[rng.choice(len(fractions), n, p=fractions)]
        return present
