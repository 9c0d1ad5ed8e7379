"""Chunks of a library, computed by the workers of a Dask cluster.

The forward model is made once in each worker. Chunks come back to the process that asked, which
writes them: workers elsewhere need no file of the library.
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


class _Make:
    """Makes the forward model in a worker, and makes sure that it is the same."""

    def __init__(self, run: RunFile, model: Simulator):
        self.run, self.fingerprint = run, model.fingerprint()
        own = isinstance(model, GalaxyModel) and not isinstance(run.model, ExternalModelSettings)
        # Grids are big and lie on every machine; somebody else's simulator has to travel.
        self.model = None if own else model

    def __call__(self) -> Simulator:
        """Make it."""
        model = self.model or GalaxyModel.from_run(self.run)
        found = model.fingerprint()
        differing = [k for k, v in self.fingerprint.items() if found.get(k) != v]
        if differing:
            raise SedumError(
                f"a Dask worker has other {' and '.join(differing)} than this process; give it the "
                "same files"
            )
        return model


def _draw(token: str, seed: int, index: int, n: int) -> dict[str, np.ndarray]:
    """Compute a chunk in a worker, on one thread: each is one of Dask's."""
    import torch

    torch.set_num_threads(1)
    return draw_chunk(held(token), seed, index, n)


def chunks_on_dask(
    run: RunFile, model: Simulator, missing: Mapping[int, int], **connection: Any
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Yield the numbers of chunks and their parameters and fluxes, as they are done.

    Parameters
    ----------
    run, model
        The run file and its forward model.
    missing
        The numbers of the chunks to make, and the galaxies in each.
    **connection
        As for :func:`sedum.parallel.dask_cluster.connected`.

    Raises
    ------
    SedumError
        As :func:`sedum.simulate`.
    """
    if not missing:
        return
    make = _Make(run, model)
    # Of this call alone: when it ends, it takes away from the workers what it has brought.
    token = uuid4().hex
    with connected(**connection) as client, brought(client, token, make):
        seed = run.library.seed
        futures = {
            client.submit(_draw, token, seed, index, n, pure=False): index
            for index, n in missing.items()
        }
        yield from completed(client, futures)
