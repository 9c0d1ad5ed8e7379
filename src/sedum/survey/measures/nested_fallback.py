"""Nested sampling of the galaxies that need it: in parallel, and kept as it is done."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.infer.verify.nested_sampling import NestedResult, sample_nested
from sedum.parallel.processes import worker_processes
from sedum.photometry.observed import Photometry
from sedum.storage import array_digest, atomic_path, digest

__all__ = ["NestedFallback"]

#: The exact posterior in a worker process.
_exact: ExactPosterior | None = None


class NestedFallback:
    """Nested sampling of single galaxies of a catalogue.

    A galaxy takes about a minute. Each result is written to a folder as soon as it is there, so
    that a run that is killed and started again does only what is left; results depend on
    nothing but the galaxy, model, noise and seed.

    Parameters
    ----------
    exact
        Forward model and noise.
    draws, seed
        Equally weighted draws of each, and the seed.
    folder
        Where results are kept, for whoever calls to remove; nowhere if None.
    workers
        Processes that share the work.
    """

    def __init__(
        self,
        exact: ExactPosterior,
        draws: int,
        seed: int,
        folder: Path | None = None,
        workers: int = 1,
    ):
        self.exact, self.draws, self.seed = exact, draws, seed
        self.folder, self.workers = folder, workers
        self._identity = {
            "model": exact.model.fingerprint(),
            "noise": exact.noise.fingerprint(),
            "draws": draws,
            "seed": seed,
        }

    def sample(
        self, photometry: Photometry, report: Callable[[], None] | None = None
    ) -> list[NestedResult]:
        """Sample n galaxies; ``report`` is called when one is done."""
        n = len(photometry)
        paths = [self._path(photometry[i : i + 1]) for i in range(n)]
        found: list[NestedResult | None] = [_read(path) for path in paths]
        todo = [i for i, result in enumerate(found) if result is None]
        observed = [photometry[i : i + 1] for i in todo]
        for i, result in zip(todo, self._run(observed), strict=True):
            found[i] = result
            _write(result, paths[i])
            if report:
                report()
        return [result for result in found if result is not None]

    def _path(self, one: Photometry) -> Path | None:
        if self.folder is None:
            return None
        seen = array_digest(one.flux, one.error, one.upper, one.redshift, one.redshift_error)
        return self.folder / f"{digest({**self._identity, 'seen': seen})[:32]}.npz"

    def _run(self, observed: list[Photometry]) -> Iterator[NestedResult]:
        if min(self.workers, len(observed)) <= 1:
            for one in observed:
                yield sample_nested(self.exact, one, self.draws, seed=self.seed)
            return
        count = min(self.workers, len(observed))
        with worker_processes(count, _start, self.exact) as submit:
            jobs = [submit(_sample, one, self.draws, self.seed) for one in observed]
            for job in jobs:
                yield job.result()


def _start(exact: ExactPosterior) -> None:
    """Prepare a worker process."""
    global _exact
    torch.set_num_threads(1)
    _exact = exact


def _sample(one: Photometry, draws: int, seed: int) -> NestedResult:
    """Sample one galaxy in a worker process."""
    assert _exact is not None
    return sample_nested(_exact, one, draws, seed=seed)


def _write(result: NestedResult, path: Path | None) -> None:
    if path is None:
        return
    numbers = np.array([result.log_evidence, result.ess, result.evaluations])
    with atomic_path(path) as temporary:
        np.savez(temporary, draws=result.draws, numbers=numbers)


def _read(path: Path | None) -> NestedResult | None:
    """Return a result that was kept; None if there is none, or none that is whole."""
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            log_evidence, ess, evaluations = file["numbers"]
            return NestedResult(file["draws"], float(log_evidence), float(ess), int(evaluations))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return None
