"""Base samples of draws: quasi-random within a galaxy, independent between galaxies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import special, stats

__all__ = ["BaseSamples", "hashed_uniforms"]

#: Uniform numbers are kept this far from 0 and 1, in single precision.
SMALLEST_UNIFORM = 1e-7


@dataclass(frozen=True)
class BaseSamples:
    """Base samples, which the estimator turns into draws of n galaxies.

    A Sobol sequence, common to all galaxies, is shifted modulo one by a random vector of each
    galaxy (Cranley & Patterson 1976), which depends on the seed and the galaxy's key alone.

    Attributes
    ----------
    points
        The sequence, float32, [d, draws].
    shifts
        Of the galaxies, float32, [n, d].
    """

    points: np.ndarray
    shifts: np.ndarray

    @classmethod
    def of(cls, keys: np.ndarray, n_draws: int, dimension: int, seed: int) -> BaseSamples:
        """Make the numbers of galaxies with integer keys, [n]."""
        shifts = hashed_uniforms(keys, dimension, seed).astype(np.float32)
        return cls(_sobol(n_draws, dimension, seed), shifts)

    @property
    def dimension(self) -> int:
        """The number of base samples of one draw."""
        return len(self.points)

    def uniforms(self) -> np.ndarray:
        """Return uniform variates, float32, [n, draws, d]."""
        moved = self.points.T[None] + self.shifts[:, None]
        return np.clip(moved - (moved >= 1), SMALLEST_UNIFORM, 1 - SMALLEST_UNIFORM).astype(
            np.float32
        )

    def normals(self, device: torch.device | None = None) -> torch.Tensor:
        """Return standard normal variates, float32, [n, draws, d]."""
        return torch.from_numpy(special.ndtri(self.uniforms())).to(device)

    def __getitem__(self, rows: slice) -> BaseSamples:
        return BaseSamples(self.points, self.shifts[rows])


@lru_cache(maxsize=8)
def _sobol(draws: int, dimension: int, seed: int) -> np.ndarray:
    power = max(int(np.ceil(np.log2(draws))), 0)
    sobol = stats.qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(seed))
    points = np.ascontiguousarray(sobol.random_base2(power)[:draws].T.astype(np.float32))
    points = np.minimum(points, np.nextafter(np.float32(1), np.float32(0)))
    points.setflags(write=False)
    return points


def hashed_uniforms(keys: np.ndarray, dimension: int, seed: int) -> np.ndarray:
    """Hash integers to uniform variates [n, dimension] (splitmix64, Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        state = np.asarray(keys, np.int64).astype(np.uint64)[:, None] * np.uint64(
            0xD1342543DE82EF95
        )
        state = state + np.uint64(seed) * np.uint64(0x2545F4914F6CDD1D)
        state = state + np.arange(1, dimension + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(float) / 2.0**53
