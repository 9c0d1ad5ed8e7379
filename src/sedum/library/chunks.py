"""One chunk of a library, which is the same on any worker."""

from __future__ import annotations

import numpy as np

from sedum.galaxies.simulator import Simulator

__all__ = ["draw_chunk"]


def draw_chunk(model: Simulator, seed: int, index: int, n: int) -> dict[str, np.ndarray]:
    """Return the parameters and fluxes of a chunk; they depend on the arguments only.

    Parameters
    ----------
    model
        The forward model.
    seed
        Seed of the library.
    index
        Number of the chunk.
    n
        Number of galaxies.

    Returns
    -------
    dict
        ``theta``, the parameters, [n, d], and ``flux`` in µJy, [n, bands].

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> draw_chunk(GalaxyModel.from_run(run), seed=1, index=0, n=10)["flux"].shape
    (10, 3)
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    theta = model.prior.sample(n, rng)
    return {"theta": theta, "flux": model.photometry(theta)}
