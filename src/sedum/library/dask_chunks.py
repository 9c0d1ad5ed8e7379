"""Chunks of a library that the workers of a Dask cluster compute.

The forward model is created once in each worker. Chunks return to the calling process, which writes
them, so workers elsewhere need no access to the library file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import numpy as np

from sedum.config import ExternalModelSettings, RunFile
from sedum.errors import SedumError
from sedum.galaxies.model import GalaxyModel
from sedum.galaxies.simulator import Simulator
from sedum.library.chunks import draw_chunk
from sedum.parallel.dask_cluster import brought, completed, connected, held

__all__ = ["chunks_on_dask"]


class _MakeModel:
    """Creates the forward model in a worker, and checks that it is the same."""

    def __init__(self, run: RunFile, model: Simulator):
        self.run, self.fingerprint = run, model.fingerprint()
        own = isinstance(model, GalaxyModel) and not isinstance(run.model, ExternalModelSettings)
        # Workers have their own copy of the large grids, but an external simulator must be sent.
        self.model = None if own else model

    def __call__(self) -> Simulator:
        """Create the model."""
        model = self.model or GalaxyModel.from_run(self.run)
        fingerprint = model.fingerprint()
        differing = [k for k, v in self.fingerprint.items() if fingerprint.get(k) != v]
        if differing:
            raise SedumError(
                f"a Dask worker has other {' and '.join(differing)} than this process; give it the "
                "same files"
            )
        return model


def _draw(token: str, seed: int, index: int, n: int) -> dict[str, np.ndarray]:
    """Compute a chunk in a worker, on one thread, because Dask starts one worker for each core."""
    import torch

    torch.set_num_threads(1)
    return draw_chunk(held(token), seed, index, n)


def chunks_on_dask(
    run: RunFile, model: Simulator, missing: Mapping[int, int], **connection: Any
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yield the numbers of chunks with their parameters and fluxes, as they complete.

    Parameters
    ----------
    run, model
        The run file and its forward model.
    missing
        Number of galaxies in each chunk to compute, by the number of the chunk.
    **connection
        As for :func:`sedum.parallel.dask_cluster.connected`.

    Yields
    ------
    index : int
        Number of the chunk.
    arrays : dict
        ``theta`` and ``flux``; see :func:`sedum.library.chunks.draw_chunk`.

    Raises
    ------
    SedumError
        As :func:`sedum.simulate`.
    """
    if not missing:
        return
    make = _MakeModel(run, model)
    # A token of this call alone: when it ends, the workers remove its model.
    token = uuid4().hex
    with connected(**connection) as client, brought(client, token, make):
        seed = run.library.seed
        futures = {
            client.submit(_draw, token, seed, index, n, pure=False): index
            for index, n in missing.items()
        }
        yield from completed(client, futures)
