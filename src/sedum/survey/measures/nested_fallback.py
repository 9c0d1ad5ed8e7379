"""Nested sampling of the galaxies that need it: in parallel, and kept as it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from sedum.infer.verify.exact_posterior import ExactPosterior
from sedum.infer.verify.nested_sampling import NestedResult, sample_nested
from sedum.parallel.processes import worker_processes
from sedum.photometry.observed import Photometry
from sedum.storage import PartFolder, array_digest, atomic_path, digest

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
        self.parts = PartFolder(folder, ["*.npz"], "fit") if folder is not None else None
        self.workers = workers
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
        if self.parts is not None and n:
            self.parts.claim({})  # the name of each result says what it depends on
        names = [self._name(photometry[i : i + 1]) for i in range(n)]
        results: list[NestedResult | None] = [self._read(name) for name in names]
        todo = [i for i, result in enumerate(results) if result is None]
        observed = [photometry[i : i + 1] for i in todo]
        for i, result in zip(todo, self._run(observed), strict=True):
            results[i] = result
            self._write(result, names[i])
            if report:
                report()
        return [result for result in results if result is not None]

    def _name(self, one: Photometry) -> str:
        seen = array_digest(one.flux, one.error, one.upper, one.redshift, one.redshift_error)
        return digest({**self._identity, "seen": seen})[:32]

    def _write(self, result: NestedResult, name: str) -> None:
        if self.parts is None:
            return
        path = self.parts.path / f"{name}.npz"
        numbers = np.array([result.log_evidence, result.ess, result.evaluations])
        with atomic_path(path) as temporary:
            np.savez(temporary, draws=result.draws, numbers=numbers)
        self.parts.record(name, path)

    def _read(self, name: str) -> NestedResult | None:
        """Return a result that was kept; None if there is none, or it is damaged."""
        if self.parts is None or self.parts.kept(name) is None:
            return None
        with np.load(self.parts.path / f"{name}.npz", allow_pickle=False) as file:
            log_evidence, ess, evaluations = file["numbers"]
            return NestedResult(file["draws"], float(log_evidence), float(ess), int(evaluations))

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
