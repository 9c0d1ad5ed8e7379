"""Galaxies to train on: from a library in memory, streamed from its file, or simulated anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

import h5py
import numpy as np

from sedum.errors import SedumError
from sedum.galaxies.simulator import Simulator
from sedum.library.library_file import Library, open_library

__all__ = ["LibraryStream", "Simulation", "TrainingGalaxies", "galaxies_of"]

Portion = tuple[np.ndarray, np.ndarray]


class TrainingGalaxies(Protocol):
    """Where training finds its galaxies: parameters [n, d] and noiseless fluxes [n, bands]."""

    names: list[str]
    bands: list[str]
    fingerprint: dict[str, str]

    @property
    def identity(self) -> str:
        """What tells these galaxies from others made with the same model."""

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield the training galaxies once, in an order of ``rng``, some ``rows`` at a time."""

    def held_out(self, most: int) -> Portion:
        """Return galaxies that are never trained on, the same at every call."""


class InMemory:
    """The galaxies of a library that was read whole.

    Parameters
    ----------
    library
        The library.
    share
        Of its galaxies, those held out: the last.
    """

    def __init__(self, library: Library, share: float):
        self.names, self.bands = library.names, library.bands
        self.fingerprint = library.fingerprint
        self._library = library
        self._training = _split(len(library), share)

    @property
    def identity(self) -> str:
        """The number of galaxies."""
        return str(len(self._library))

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield the training galaxies; see :class:`GalaxyBatch`."""
        order = rng.permutation(self._training)
        for start in range(0, self._training, rows):
            at = order[start : start + rows]
            yield self._library.theta[at], self._library.flux[at]

    def held_out(self, most: int) -> Portion:
        """Return galaxies that are held out; see :class:`GalaxyBatch`."""
        at = slice(self._training, self._training + most)
        return self._library.theta[at], self._library.flux[at]


class LibraryStream:
    """The galaxies of a library file, read chunk by chunk, whatever its size.

    Chunks come in random order and their galaxies are shuffled within each portion; since the
    galaxies of a library are independent, that is as good as shuffling all of them.

    Parameters
    ----------
    path
        The library.
    share
        Of its galaxies, those held out: the last.

    Raises
    ------
    SedumError
        If the file is absent, damaged or not a library; it is named.
    """

    def __init__(self, path: str | Path, share: float):
        self._path = Path(path)
        meta, self._chunk = open_library(self._path)
        self.names, self.bands = meta["names"], meta["bands"]
        self.fingerprint = meta["fingerprint"]
        self._size = meta["size"]
        self._training = _split(self._size, share)

    @property
    def identity(self) -> str:
        """The number of galaxies."""
        return str(self._size)

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield the training galaxies; see :class:`GalaxyBatch`."""
        starts = rng.permutation(np.arange(0, self._training, self._chunk))
        held: list[Portion] = []
        with h5py.File(self._path, "r") as file:
            for i, start in enumerate(starts):
                held.append(self._read(file, start, min(start + self._chunk, self._training)))
                if sum(len(t) for t, _ in held) >= rows or i == len(starts) - 1:
                    theta, flux = (np.concatenate(parts) for parts in zip(*held, strict=True))
                    order = rng.permutation(len(theta))
                    yield theta[order], flux[order]
                    held = []

    def held_out(self, most: int) -> Portion:
        """Return galaxies that are held out; see :class:`GalaxyBatch`."""
        with h5py.File(self._path, "r") as file:
            return self._read(file, self._training, min(self._training + most, self._size))

    def _read(self, file: h5py.File, start: int, stop: int) -> Portion:
        try:  # the checksum of every chunk is verified as it is read
            return file["parameters"][start:stop], file["flux"][start:stop]
        except OSError:
            raise SedumError(
                f"library {self._path} is damaged between galaxies {start} and {stop}; simulate "
                "it again"
            ) from None


class Simulation:
    """Galaxies simulated as they are needed, with no library at all.

    Parameters
    ----------
    model
        The forward model.
    size
        Galaxies in what counts as one pass.
    seed
        Of those that are held out; training galaxies follow the seed of the training.
    """

    def __init__(self, model: Simulator, size: int, seed: int):
        self.names, self.bands = model.prior.names, model.filters.names
        self.fingerprint = model.fingerprint()
        self._model, self._size, self._seed = model, size, seed

    @property
    def identity(self) -> str:
        """That they are simulated, and the seed."""
        return f"simulated, seed {self._seed}, {self._size}"

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield new galaxies; see :class:`GalaxyBatch`."""
        for start in range(0, self._size, rows):
            yield self._simulate(min(rows, self._size - start), rng)

    def held_out(self, most: int) -> Portion:
        """Return galaxies that are held out; see :class:`GalaxyBatch`."""
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(2**31,)))
        return self._simulate(most, rng)

    def _simulate(self, n: int, rng: np.random.Generator) -> Portion:
        theta = self._model.prior.sample(n, rng)
        return theta, self._model.photometry(theta)


def galaxies_of(
    source: Library | str | Path | Simulator | TrainingGalaxies, share: float, size: int, seed: int
) -> TrainingGalaxies:
    """Return the galaxies of a library, of its file, or of a forward model.

    Parameters
    ----------
    source
        What there is.
    share
        Held out of a library.
    size, seed
        Of a simulation; see :class:`Simulation`.
    """
    if isinstance(source, Library):
        return InMemory(source, share)
    if isinstance(source, str | Path):
        return LibraryStream(source, share)
    if hasattr(source, "photometry"):
        return Simulation(cast(Simulator, source), size, seed)
    return source


def _split(size: int, share: float) -> int:
    return size - max(1, int(size * share))
