"""Training galaxies: from a library in memory, streamed from its file, or simulated on demand."""

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

#: Parameters [n, d] and noiseless fluxes [n, bands] of some galaxies.
Portion = tuple[np.ndarray, np.ndarray]


class TrainingGalaxies(Protocol):
    """A source of training galaxies: parameters [n, d] and noiseless fluxes in µJy [n, bands].

    Examples
    --------
    >>> galaxies: TrainingGalaxies = galaxies_of(library, 0.1, size=0, seed=1)
    >>> galaxies.bands
    ['sdss_g0', 'sdss_r0', 'sdss_i0']
    """

    names: list[str]
    bands: list[str]
    fingerprint: dict[str, str]

    @property
    def identity(self) -> str:
        """What distinguishes these galaxies from others of the same model."""

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield the training galaxies once, in random order, ``rows`` at a time."""

    def held_out(self, maximum: int) -> Portion:
        """Return up to ``maximum`` galaxies that are never trained on, always the same ones."""


class InMemory:
    """The galaxies of a library that is in memory.

    Parameters
    ----------
    library
        The library.
    held_out_fraction
        Fraction of its galaxies that is held out: the last ones.
    """

    def __init__(self, library: Library, held_out_fraction: float):
        self.names, self.bands = library.names, library.bands
        self.fingerprint = library.fingerprint
        self._library = library
        self._training = _split(len(library), held_out_fraction)

    @property
    def identity(self) -> str:
        """Number of galaxies."""
        return str(len(self._library))

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield the training galaxies; see :class:`TrainingGalaxies`."""
        order = rng.permutation(self._training)
        for start in range(0, self._training, rows):
            at = order[start : start + rows]
            yield self._library.theta[at], self._library.flux[at]

    def held_out(self, maximum: int) -> Portion:
        """Return galaxies that are held out; see :class:`TrainingGalaxies`."""
        at = slice(self._training, self._training + maximum)
        return self._library.theta[at], self._library.flux[at]


class LibraryStream:
    """The galaxies of a library file of any size, read chunk by chunk.

    Chunks are read in random order, and galaxies are shuffled within each portion. The galaxies of
    a library are independent, so this is equivalent to shuffling all of them.

    Parameters
    ----------
    path
        The library file.
    held_out_fraction
        Fraction of its galaxies that is held out: the last ones.

    Raises
    ------
    SedumError
        If the file is missing, damaged or not a library; the message names it.

    Examples
    --------
    >>> import sedum
    >>> _ = sedum.simulate(run, "library.h5")
    >>> galaxies = LibraryStream("library.h5", held_out_fraction=0.1)
    >>> theta, flux = galaxies.held_out(100)
    >>> flux.shape
    (100, 3)
    """

    def __init__(self, path: str | Path, held_out_fraction: float):
        self._path = Path(path)
        meta, self._chunk = open_library(self._path)
        self.names, self.bands = meta["names"], meta["bands"]
        self.fingerprint = meta["fingerprint"]
        self._size = meta["size"]
        self._training = _split(self._size, held_out_fraction)

    @property
    def identity(self) -> str:
        """Number of galaxies."""
        return str(self._size)

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield the training galaxies; see :class:`TrainingGalaxies`."""
        starts = rng.permutation(np.arange(0, self._training, self._chunk))
        parts: list[Portion] = []
        with h5py.File(self._path, "r") as file:
            for i, start in enumerate(starts):
                parts.append(self._read(file, start, min(start + self._chunk, self._training)))
                if sum(len(t) for t, _ in parts) >= rows or i == len(starts) - 1:
                    theta, flux = (np.concatenate(part) for part in zip(*parts, strict=True))
                    order = rng.permutation(len(theta))
                    yield theta[order], flux[order]
                    parts = []

    def held_out(self, maximum: int) -> Portion:
        """Return galaxies that are held out; see :class:`TrainingGalaxies`."""
        with h5py.File(self._path, "r") as file:
            return self._read(file, self._training, min(self._training + maximum, self._size))

    def _read(self, file: h5py.File, start: int, stop: int) -> Portion:
        try:  # the checksum of every chunk is verified as it is read
            return file["parameters"][start:stop], file["flux"][start:stop]
        except OSError:
            raise SedumError(
                f"library {self._path} is damaged between galaxies {start} and {stop}; simulate "
                "it again"
            ) from None


class Simulation:
    """Galaxies that are simulated on demand, without a library.

    Parameters
    ----------
    model
        The forward model.
    size
        Number of galaxies in one pass.
    seed
        Seed of the galaxies that are held out; the training galaxies follow the seed of the
        training.

    Examples
    --------
    >>> from sedum import GalaxyModel
    >>> galaxies = Simulation(GalaxyModel.from_run(run), size=1000, seed=1)
    >>> theta, flux = next(galaxies.training(np.random.default_rng(1), rows=10))
    >>> flux.shape
    (10, 3)
    """

    def __init__(self, model: Simulator, size: int, seed: int):
        self.names, self.bands = model.prior.names, model.filters.names
        self.fingerprint = model.fingerprint()
        self._model, self._size, self._seed = model, size, seed

    @property
    def identity(self) -> str:
        """Text that they are simulated, with seed and size."""
        return f"simulated, seed {self._seed}, {self._size}"

    def training(self, rng: np.random.Generator, rows: int) -> Iterator[Portion]:
        """Yield new galaxies; see :class:`TrainingGalaxies`."""
        for start in range(0, self._size, rows):
            yield self._simulate(min(rows, self._size - start), rng)

    def held_out(self, maximum: int) -> Portion:
        """Return galaxies that are held out; see :class:`TrainingGalaxies`."""
        rng = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(2**31,)))
        return self._simulate(maximum, rng)

    def _simulate(self, n: int, rng: np.random.Generator) -> Portion:
        theta = self._model.prior.sample(n, rng)
        return theta, self._model.photometry(theta)


def galaxies_of(
    source: Library | str | Path | Simulator | TrainingGalaxies,
    held_out_fraction: float,
    size: int,
    seed: int,
) -> TrainingGalaxies:
    """Return the training galaxies of a library, of its file, or of a forward model.

    Parameters
    ----------
    source
        A library, the path of one, a forward model, or training galaxies.
    held_out_fraction
        Fraction of a library that is held out.
    size, seed
        Number of galaxies in one pass of a simulation, and seed of those held out; see
        :class:`Simulation`.

    Examples
    --------
    >>> galaxies_of(library, 0.1, size=0, seed=1).identity
    '2000'
    """
    if isinstance(source, Library):
        return InMemory(source, held_out_fraction)
    if isinstance(source, str | Path):
        return LibraryStream(source, held_out_fraction)
    if hasattr(source, "photometry"):
        return Simulation(cast(Simulator, source), size, seed)
    return source


def _split(size: int, held_out_fraction: float) -> int:
    return size - max(1, int(size * held_out_fraction))
