"""One chunk of a library: the same whoever computes it."""

from __future__ import annotations

import numpy as np

from sedum.galaxies.simulator import Simulator

__all__ = ["draw_chunk"]


def draw_chunk(model: Simulator, seed: int, index: int, n: int) -> dict[str, np.ndarray]:
    """Return parameters and fluxes of a chunk; they depend on the arguments alone."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    theta = model.prior.sample(n, rng)
    return {"theta": theta, "flux": model.photometry(theta)}
